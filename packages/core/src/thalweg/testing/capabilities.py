"""What a device claims to do: a file caps.toml or a class of the same content; the conformance kit holds it to that.

    device = "ACME"
    descriptor = "acme_thalweg:plugin"          # where the DevicePlugin is
    features = ["stats", "streams"]             # of FEATURES
    no_hardware = { ACME_VISIBLE = "" }         # environment in which the device is not there; left out: it always is

    [ops]                                       # op type -> dtypes; "all": every one but string
    Add = ["float32", "float64"]
    "*" = "all"                                 # every op that is not named; left out: none

    [limits]                                    # claimed ops that some shapes or attributes are refused for: which
    Slice = "begin and size must be constants"

    [tolerances]                                # op type -> factor on the kit's tolerance, or one per dtype
    Tanh = { float32 = 8 }

    [xfail]                                     # pattern of test names -> the reason; one that passes is a failure
    "test_values*softmax*float16" = "sums in float16"

    [skip]                                      # likewise, for what must not even be tried
"""
import fnmatch
import importlib
import tomllib

from thalweg.framework import dtypes
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.errors import ThalwegError
from thalweg.plan.effects import ALIASES, VARIABLES

FEATURES = {
    "stats": "mem_stats counts the bytes in use",
    "streams": "stream_create and stream_destroy",
    "events": "event_record, event_wait, event_destroy",
    "timing": "event_elapsed_ns",
    "async": "work goes on after the call that ordered it; errors show at sync",
    "pinned": "host_alloc and host_free",
    "compile": "a region of elementwise ops is one kernel: find_kernel takes _Region",
    "record": "runs are recorded and replayed",
    "multi_device": "more than one device on the machine of the test",
    "deterministic": "every kernel gives the same bits each time, at any number of threads",
    "fork": "works in the child of a fork",
}
_FIELDS = {"device": str, "descriptor": str, "features": list, "no_hardware": dict, "ops": dict, "limits": dict,
           "tolerances": dict, "xfail": dict, "skip": dict}
_WITHOUT_KERNEL = {*ALIASES, *VARIABLES, "Placeholder", "PlaceholderV2", "Const", "NoOp", "IdentityN"}


class CapabilityError(ThalwegError, ValueError):
    """A capability file or class that says what the kit does not understand."""


class Capabilities:
    """The claims of one device. A plugin's repository derives its own class from it, or reads a file.

    Attributes
    ----------
    device : str            the device's type, "ACME"
    descriptor : str        "module:attribute" of its DevicePlugin
    features : list         names of FEATURES
    no_hardware : dict or None      environment variables that hide the hardware
    ops : dict              op type or "*" -> list of dtype names, or "all"
    limits : dict           op type -> which shapes or attributes of it are refused
    tolerances : dict       op type -> factor, or {dtype name: factor}
    xfail, skip : dict      pattern of test names -> reason
    """

    device = ""
    descriptor = ""
    features: list = []
    no_hardware: dict | None = None
    ops: dict = {}
    limits: dict = {}
    tolerances: dict = {}
    xfail: dict = {}
    skip: dict = {}

    def __init__(self, **fields):
        for name, value in fields.items():
            if name not in _FIELDS:
                raise CapabilityError(f"capabilities have no field {name!r}; there are {', '.join(_FIELDS)}")
            setattr(self, name, value)
        self.check()

    @classmethod
    def read(cls, path):
        """The capabilities in a TOML file, or those that "module:function" gives."""
        module, colon, attribute = str(path).partition(":")
        if colon and module.replace(".", "").isidentifier():
            return getattr(importlib.import_module(module), attribute)()
        try:
            with open(path, "rb") as file:
                return cls(**tomllib.load(file))
        except (tomllib.TOMLDecodeError, CapabilityError) as error:
            raise CapabilityError(f"{path}: {error}") from error

    def but(self, **fields):
        """The same claims with some fields changed."""
        return Capabilities(**{**{name: getattr(self, name) for name in _FIELDS}, **fields})

    def check(self):
        """Raises CapabilityError for what nobody could hold the device to."""
        for name, kind in _FIELDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) and not (value is None and name == "no_hardware"):
                raise CapabilityError(f"{name} is {value!r}, expected a {kind.__name__}")
        self._check_names("features", self.features, FEATURES)
        self._check_names("ops", [op for op in self.ops if op != "*"], REGISTRY)
        self._check_names("limits", self.limits, REGISTRY)
        self._check_names("tolerances", self.tolerances, REGISTRY)
        for op, names in self.ops.items():
            if names != "all" and not isinstance(names, list):
                raise CapabilityError(f"ops.{op} is {names!r}, expected a list of dtypes or \"all\"")
            for name in names if isinstance(names, list) else ():
                self._dtype(f"ops.{op}", name)
        for field in ("limits", "xfail", "skip"):
            for pattern, reason in getattr(self, field).items():
                if not isinstance(reason, str) or not reason.strip():
                    raise CapabilityError(f"{field}.{pattern!r} gives no reason: it must say why")

    @staticmethod
    def _check_names(field, names, known):
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise CapabilityError(f"{field} names {', '.join(unknown)}, which thalweg does not know"
                                  + (f"; there are {', '.join(known)}" if len(known) < 30 else ""))

    @staticmethod
    def _dtype(field, name):
        try:
            return dtypes.as_dtype(name)
        except (TypeError, ValueError) as error:
            raise CapabilityError(f"{field} names the dtype {name!r}, which thalweg does not know") from error

    # --- what follows from the claims ---------------------------------------------------------------

    def has(self, feature):
        return feature in self.features

    def claims(self, op_type, dtype):
        """Whether the device says that it has a kernel for an op of this DType."""
        names = self.ops.get(op_type, self.ops.get("*", ()))
        return dtype.name != "string" if names == "all" else dtype.name in names

    def tolerance(self, op_types, dtype):
        """The factor on the kit's tolerance for a graph of these ops."""
        factors = [self.tolerances.get(op, 1.0) for op in op_types]
        return float(max([f.get(dtype.name, 1.0) if isinstance(f, dict) else f for f in factors], default=1.0))

    def reason(self, field, test_name):
        """Why a test is expected to fail (`xfail`) or not tried (`skip`); None where it is neither."""
        for pattern, reason in getattr(self, field).items():
            if matches(pattern, test_name):
                return reason
        return None


def matches(pattern, test_name):
    """Whether a shell pattern, in which only * and ? are special, fits the name of a test."""
    return fnmatch.fnmatchcase(test_name, pattern.replace("[", "[[]"))


def dtype_of(op):
    """The DType that claims about an Operation go by: its attribute T, else that of its first type letter.

    An op without type letters goes by its first input, or its first output.
    """
    declaration = op.declaration
    letters = [a.letter for a in (*declaration.inputs, *declaration.outputs) if a.letter and not a.is_typed_list]
    for letter in (["T"] if "T" in letters else []) + letters:
        value = op.attrs.get(letter)
        if isinstance(value, dtypes.DType):
            return value.base_dtype
    values = [*op.inputs, *op.outputs]
    return values[0].dtype.base_dtype if values else dtypes.float32


def needs_kernel(op_type, values):
    """Whether an op with these inputs and outputs runs by a kernel: control flow, strings and files are core's own."""
    return (op_type not in _WITHOUT_KERNEL and bool(REGISTRY[op_type].kernels)
            and all(value.dtype.base_dtype.kind != "O" for value in values))
