"""What core tells a device of a node, and how errors and random numbers travel."""
import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from thalweg.devices import DevicePlugin, KernelRequest
from thalweg.devices.core_api import error_of_code
from thalweg.devices.handshake import open_plugin
from thalweg.framework import errors
from thalweg.framework.dtypes import float32, float32_ref, int32
from thalweg.testing import ctypes_abi as abi


class Asking(abi.Plugin):
    """A plugin whose find_kernel runs `question(core, desc)` and keeps the answer."""

    def __init__(self, question):
        super().__init__()

        def find(dev, desc, out):
            self.answer = question(self.core, desc[0])
            return abi.UNIMPLEMENTED
        self.table.find_kernel = dict(abi.DeviceApi._fields_)["find_kernel"](find)


def ask(question, attrs=None, **options):
    native = Asking(question)
    (device,) = open_plugin(DevicePlugin("ACME", native.open), native.open(), "plugin acme")
    request = KernelRequest("Conv2D", attrs or {}, options.pop("in_shapes", [(2, 3), None]),
                            options.pop("out_shapes", [(2, None)]), [float32_ref, int32], [1], **options)
    device.find_kernel(request)
    return native.answer


def attr(kind, name, attrs, **options):
    """One attribute as a plugin reads it; None where it has none of that kind."""
    def question(core, desc):
        if kind == "i64":
            value = ctypes.c_int64()
            return value.value if not core.attr_i64(desc.op, name, value) else None
        if kind == "f64":
            value = ctypes.c_double()
            return value.value if not core.attr_f64(desc.op, name, value) else None
        n = ctypes.c_size_t()
        if kind == "str":
            text = ctypes.c_void_p()
            return ctypes.string_at(text.value, n.value) if not core.attr_str(desc.op, name, text, n) else None
        items = ctypes.POINTER(ctypes.c_int64)()
        return items[:n.value] if not core.attr_ints(desc.op, name, items, n) else None
    return ask(question, attrs, **options)


@pytest.mark.parametrize(("kind", "value", "seen"), [
    ("i64", 5, 5), ("i64", -2**40, -2**40), ("i64", True, 1), ("i64", float32_ref, 1), ("i64", np.int32(4), 4),
    ("f64", 0.25, 0.25), ("f64", np.float32(0.5), 0.5), ("str", "SAME", b"SAME"), ("str", b"a\0b", b"a\0b"),
    ("ints", [1, 2, 2, 1], [1, 2, 2, 1]), ("ints", (), []), ("ints", (None, 3), [-1, 3]), ("ints", [True], [1]),
    ("ints", [float32, int32], [1, 3]),
    ("i64", 1.5, None), ("f64", 1, None), ("str", 1, None), ("ints", 1, None), ("ints", [1.5], None),
    ("i64", None, None),
])
def test_attributes(kind, value, seen):
    assert attr(kind, b"a", {"other": 9, "a": value}) == seen
    assert attr(kind, b"b", {"a": value}) is None


def test_kernel_names_and_references_of_the_declaration():
    argument = SimpleNamespace(is_ref=True, is_list=False, count=None, letter=None)
    value = SimpleNamespace(is_ref=False, is_list=False, count=None, letter=None)
    declaration = SimpleNamespace(kernels={"cpu": "conv:conv2d"}, inputs=(value, argument), outputs=(argument,))
    assert attr("str", b"kernel:cpu", {}, declaration=declaration) == b"conv:conv2d"
    assert attr("ints", b"inputs:ref", {}, declaration=declaration) == [1]


def shape(function, k):
    def question(core, desc):
        dims, ndim = ctypes.POINTER(ctypes.c_int64)(), ctypes.c_int32()
        return dims[:ndim.value] if not getattr(core, function)(desc.op, k, dims, ndim) else None
    return question


def test_shapes():
    assert ask(shape("in_shape", 0)) == [2, 3]
    assert ask(shape("in_shape", 1)) is None and ask(shape("out_shape", 0)) is None       # not fully known
    assert ask(shape("in_shape", 2)) is None and ask(shape("in_shape", -1)) is None       # no such input
    assert ask(shape("out_shape", 0), out_shapes=[()]) == []


def test_types_and_counts():
    assert ask(lambda core, desc: (desc.op_type, desc.n_in, desc.n_out, desc.in_dtypes[:2], desc.out_dtypes[:1])) == (
        b"Conv2D", 2, 1, [1, 3], [1])


def value(k):
    def question(core, desc):
        tensor = abi.Tensor()
        if core.in_value(desc.op, k, tensor):
            return None
        return tensor.dl_type, tensor.code, tensor.bits, tensor.shape[:tensor.ndim], ctypes.string_at(tensor.data, 8)
    return question


def test_constant_inputs():
    paddings = np.int32([[1, 2], [3, 4]]).T                          # no dense array
    assert ask(value(1), values={1: paddings}) == (1, 0, 32, [2, 2], np.int32([1, 3]).tobytes())
    assert ask(value(0), values={1: paddings}) is None
    assert ask(value(0), values={0: np.array([b"text"], object)}) is None


def test_shapes_and_dtypes_must_agree_in_number():
    with pytest.raises(ValueError, match="Add: 1 input shapes and 2 dtypes, 1 output shapes and 1 dtypes"):
        KernelRequest("Add", {}, [(2,)], [(2,)], [1, 1], [1])


def test_a_request_prints_what_it_asks_for():
    request = KernelRequest("Add", {}, [(2,), ()], [(2,)], [1, 1], [19], name="sum")
    assert repr(request) == "<request Add 'sum': float32 (2,), float32 () -> float16 (2,)>"


# --- errors and random numbers --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def core():
    native = abi.Plugin()
    open_plugin(DevicePlugin("ACME", native.open), native.open(), "plugin acme")
    yield native.core


def test_the_first_error_wins(core):
    run = abi.RunContext()
    core.set_error(ctypes.addressof(run), abi.INVALID, b"first")
    core.set_error(ctypes.addressof(run), abi.OOM, b"second")
    assert (run.code, run.message) == (abi.INVALID, b"first")


def test_an_error_without_a_code_is_internal(core):
    run = abi.RunContext()
    core.set_error(ctypes.addressof(run), 0, None)
    assert (run.code, run.message) == (abi.INTERNAL, b"")


def test_a_long_message_is_cut_between_characters(core):
    run = abi.RunContext()
    core.set_error(ctypes.addressof(run), abi.INVALID, ("a" + "ü" * 3000).encode())
    assert run.message.decode() == "a" + "ü" * 1023


def test_codes_become_errors():
    classes = {abi.UNIMPLEMENTED: errors.UnimplementedError, abi.OOM: errors.ResourceExhaustedError,
               abi.INVALID: errors.InvalidArgumentError, abi.INTERNAL: errors.InternalError, 99: errors.InternalError}
    for code, cls in classes.items():
        assert type(error_of_code(code, "text")) is cls


def test_random_blocks_are_reserved_with_carry(core):
    rng = abi.Rng(key=(7, 8), counter=(2**64 - 2, 5))
    counter, key = (ctypes.c_uint32 * 4)(), (ctypes.c_uint32 * 2)()
    core.rng_reserve(None, rng, 3, counter, key)
    assert (list(counter), list(key)) == ([2**32 - 2, 2**32 - 1, 5, 0], [7, 8])
    assert list(rng.counter) == [1, 6]
