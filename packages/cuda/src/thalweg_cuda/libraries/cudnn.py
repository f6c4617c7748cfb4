"""Convolutions by cuDNN's backend API: a graph of one operation, the heuristics' engines, execution plans."""
import ctypes
import threading
from typing import NamedTuple

from thalweg_cuda.recent import Recent
from thalweg_cuda.shared_library import open_first

from .cudnn_names import FUNCTIONS, constant
from .descriptors import Descriptor, explained
from .library import MOST_PLANS, LibraryError, bind, called, void_p

VERSIONS = ("9",)
INSTALL = "pip install thalweg-cuda[cudnn] brings it (nvidia-cudnn-cu13, 520 MB)"
X, W, Y = 1, 2, 3                # the tensors' numbers in a graph
_ALIGNMENT = 16                  # bytes, of all operands

# direction -> descriptor, prefix of its attributes, and what x, w, y are called there
_DIRECTIONS = {
    "forward": ("OPERATION_CONVOLUTION_FORWARD", "OPERATION_CONVOLUTION_FORWARD", ("X", "W", "Y")),
    "image": ("OPERATION_CONVOLUTION_BACKWARD_DATA", "OPERATION_CONVOLUTION_BWD_DATA", ("DX", "W", "DY")),
    "filter": ("OPERATION_CONVOLUTION_BACKWARD_FILTER", "OPERATION_CONVOLUTION_BWD_FILTER", ("X", "DW", "DY")),
}


class Tensor(NamedTuple):
    """Sizes and steps in elements, images (or filters) first, then channels, then spatial axes."""

    sizes: tuple
    steps: tuple


class Convolution(NamedTuple):
    """One direction of a convolution.

    Attributes
    ----------
    direction : "forward", "image" (the gradient of x) or "filter" (that of w)
    data : "FLOAT", "DOUBLE", "HALF" or "BFLOAT16"
    stride, dilation, before, after : tuples, of the spatial axes
    allow_tf32 : bool           float32 may be multiplied as TF32
    """

    direction: str
    data: str
    x: Tensor
    w: Tensor
    y: Tensor
    stride: tuple
    dilation: tuple
    before: tuple
    after: tuple
    allow_tf32: bool = False


class Plan:
    """An execution plan.

    Attributes
    ----------
    workspace_bytes : int
    notes : set of int          numerical notes of its engine
    """

    def __init__(self, cudnn, descriptor, notes):
        self.cudnn, self.descriptor, self.notes = cudnn, descriptor, notes
        self.workspace_bytes, = descriptor.get("WORKSPACE_SIZE", "INT64")
        self._packs = {}

    def run(self, stream, x, w, y, workspace):
        """Enqueues it, with the addresses of the operands."""
        key = x, w, y, workspace
        with self.cudnn.lock:
            if key not in self._packs:
                if len(self._packs) > 64:               # addresses repeat from step to step, if they repeat at all
                    self._packs.clear()
                self._packs[key] = Descriptor(
                    self.cudnn.library, "VARIANT_PACK", UNIQUE_IDS=("INT64", [X, W, Y]),
                    DATA_POINTERS=("VOID_PTR", [x, w, y]), WORKSPACE=("VOID_PTR", workspace)).finalize()
            self.cudnn.execute(stream, self.descriptor, self._packs[key])


class Cudnn:
    """The opened library.

    Parameters
    ----------
    library : ctypes.CDLL
    properties : bytes or None  a card described in JSON, for plans without one; None: the current context's
    workspace_limit : int       bytes that a plan may ask for

    Attributes
    ----------
    version : str
    lock : RLock                held while the handle is used: cuDNN allows one thread at a time
    """

    def __init__(self, library, properties=None, workspace_limit=1 << 30):
        bind(library, FUNCTIONS)
        self.library, self.workspace_limit, self._stream = library, workspace_limit, None
        self._plans, self.lock = Recent(MOST_PLANS), threading.RLock()
        number = library.cudnnGetVersion()
        self.version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
        self.handle = void_p()
        if properties is None:
            self._call("cudnnCreate", ctypes.byref(self.handle))
            self._by_handle, self._by_properties = {"HANDLE": ("HANDLE", self.handle.value)}, {}
        else:
            card = Descriptor(library, "DEVICEPROP", JSON_REPRESENTATION=("CHAR", properties)).finalize()
            self._by_handle, self._by_properties = {}, {"DEVICEPROP": ("BACKEND_DESCRIPTOR", card)}

    @classmethod
    def open(cls, workspace_limit):
        """The library that is installed, with a handle for the current context."""
        return cls(open_first("cudnn", VERSIONS, INSTALL), None, workspace_limit)

    def close(self):
        """Destroys the handle; no plan runs afterwards."""
        self._plans.clear()
        if self.handle:
            self._call("cudnnDestroy", self.handle)
            self.handle = void_p()

    def plans(self, convolution, most=4):
        """Up to `most` deterministic plans within the workspace limit, best first by the heuristics.

        LibraryError says why there is none.
        """
        with self.lock:
            plans, reason = self._plans.get(convolution, lambda: self._find(convolution, most))
        if not plans:
            raise LibraryError(f"cuDNN {self.version} has no plan: {reason}")
        return plans

    def execute(self, stream, plan, pack):
        """Runs a plan on a stream (its handle as an int)."""
        with self.lock:
            if stream != self._stream:
                self._call("cudnnSetStream", self.handle, stream)
                self._stream = stream
            self._call("cudnnBackendExecute", self.handle, plan.handle, pack.handle)

    def _call(self, name, *args):
        called(self.library, name, *args, explain=explained(self.library))

    def _find(self, convolution, most):
        try:
            graph = self._graph(convolution)
        except LibraryError as error:
            return [], str(error)
        plans, reason = [], "the heuristics know no engine"
        for mode in "HEUR_MODE_A", "HEUR_MODE_FALLBACK":
            for config in self._engines(graph, mode):
                if len(plans) == most:
                    break
                plan, refusal = self._plan(convolution, config)
                plans += [plan] if plan is not None else []
                reason = refusal or reason
            if plans:
                break
        return plans, reason

    def _graph(self, convolution):
        kind, prefix, names = _DIRECTIONS[convolution.direction]
        scalar = "DOUBLE" if convolution.data == "DOUBLE" else "FLOAT"
        tensors = [self._tensor(t, number, convolution.data)
                   for number, t in ((X, convolution.x), (W, convolution.w), (Y, convolution.y))]
        operation = Descriptor(
            self.library, kind, prefix, ALPHA=(scalar, 1.0), BETA=(scalar, 0.0),
            CONV_DESC=("BACKEND_DESCRIPTOR", self._window(convolution, scalar)),
            **{name: ("BACKEND_DESCRIPTOR", tensor) for name, tensor in zip(names, tensors)}).finalize()
        return Descriptor(self.library, "OPERATIONGRAPH", OPS=("BACKEND_DESCRIPTOR", operation),
                          **self._by_handle).finalize()

    def _tensor(self, tensor, number, data):
        return Descriptor(
            self.library, "TENSOR", DATA_TYPE=("DATA_TYPE", constant(f"DATA_{data}")),
            DIMENSIONS=("INT64", tensor.sizes), STRIDES=("INT64", tensor.steps), UNIQUE_ID=("INT64", number),
            BYTE_ALIGNMENT=("INT64", _ALIGNMENT)).finalize()

    def _window(self, convolution, scalar):
        return Descriptor(
            self.library, "CONVOLUTION", COMP_TYPE=("DATA_TYPE", constant(f"DATA_{scalar}")),
            CONV_MODE=("CONVOLUTION_MODE", constant("CROSS_CORRELATION")),
            SPATIAL_DIMS=("INT64", len(convolution.stride)), DILATIONS=("INT64", convolution.dilation),
            FILTER_STRIDES=("INT64", convolution.stride), PRE_PADDINGS=("INT64", convolution.before),
            POST_PADDINGS=("INT64", convolution.after)).finalize()

    def _engines(self, graph, mode):
        """The heuristics' engine configurations, best first."""
        heuristics = Descriptor(self.library, "ENGINEHEUR", OPERATION_GRAPH=("BACKEND_DESCRIPTOR", graph),
                                MODE=("HEUR_MODE", constant(mode)), **self._by_properties)
        try:
            heuristics.finalize()
            configs = [Descriptor(self.library, "ENGINECFG") for _ in range(32)]
            return heuristics.get_descriptors("RESULTS", configs)
        except LibraryError:
            return []                                   # these heuristics do not know the graph; the fallback may

    def _plan(self, convolution, config):
        """A plan, or None and why it is none."""
        try:
            engine, = config.get_descriptors("ENGINE", [Descriptor(self.library, "ENGINE")])
            notes = set(engine.get("NUMERICAL_NOTE", "NUMERICAL_NOTE", constant("NUMERICAL_NOTE_TYPE_COUNT")))
            if notes & _unwanted(convolution):
                return None, "its engines are not deterministic, or less exact than asked for"
            descriptor = Descriptor(self.library, "EXECUTION_PLAN", ENGINE_CONFIG=("BACKEND_DESCRIPTOR", config),
                                    **self._by_handle, **self._by_properties).finalize()
            plan = Plan(self, descriptor, notes)
        except LibraryError as error:
            return None, str(error)
        if plan.workspace_bytes > self.workspace_limit:
            return None, f"a workspace of {plan.workspace_bytes:,} bytes exceeds the limit of {self.workspace_limit:,}"
        return plan, ""


def _unwanted(convolution):
    """Numerical notes of engines that are not taken: strict float32 has none of TF32."""
    names = ["NONDETERMINISTIC", "REDUCED_PRECISION_REDUCTION"]
    if convolution.data == "FLOAT" and not convolution.allow_tf32:
        names += ["TENSOR_CORE", "DOWN_CONVERT_INPUTS"]
    return {constant(f"NUMERICAL_NOTE_{name}") for name in names}
