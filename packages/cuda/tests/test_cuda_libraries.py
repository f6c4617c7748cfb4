"""cuBLASLt and cuDNN behind our glue: what is asked of them, operands, epilogues, choices, reasons."""
import threading

import ml_dtypes
import numpy as np
import pytest
from emulation.direct import run
from emulation.fake_cublaslt import FakeCublasLt
from emulation.fake_cudnn import FakeCudnn
from emulation.reference import close, compare

from thalweg.devices.core_api import KernelRequest
from thalweg.framework.declaration import REGISTRY
from thalweg_cuda import kernels
from thalweg_cuda.kernels import _by_im2col
from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.libraries.cublaslt import CublasLt, Product
from thalweg_cuda.libraries.cudnn import Convolution, Cudnn, Tensor
from thalweg_cuda.work import Launch, LibraryCall, Target

RNG = np.random.default_rng(0)
ONE = ("forward",)
CONV = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1],
        "explicit_paddings": [], "use_cudnn_on_gpu": True}


def numbers(*shape, dtype="float32"):
    x = RNG.standard_normal(shape)
    return (x + 1j * RNG.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


@pytest.fixture
def blas():
    return FakeCublasLt()


@pytest.fixture
def target(blas):
    return Target(libraries={"cublaslt": CublasLt(blas)})


# --- cuBLASLt -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "complex128"])
@pytest.mark.parametrize("turn_a", [False, True])
@pytest.mark.parametrize("turn_b", [False, True])
def test_products(target, blas, turn_a, turn_b, dtype):
    a = numbers(*((7, 5) if turn_a else (5, 7)), dtype=dtype)
    b = numbers(*((6, 7) if turn_b else (7, 6)), dtype=dtype)
    compare("MatMul", [a, b], {"transpose_a": turn_a, "transpose_b": turn_b}, target=target, orders=ONE)
    assert blas.calls["cublasLtMatmul"] == 1


@pytest.mark.parametrize("x, y", [((4, 3, 5), (4, 5, 2)), ((2, 2, 3, 5), (5, 2)), ((3, 5), (2, 3, 5, 4))])
def test_batches(target, blas, x, y):
    for dtype in "float32", "complex64":
        plain = [numbers(*s, dtype=dtype) for s in (x, y)]
        compare("BatchMatMulV2", plain, {"adj_x": False, "adj_y": False}, target=target, orders=ONE)
        turned = [numbers(*s[:-2], s[-1], s[-2], dtype=dtype) for s in (x, y)]
        compare("BatchMatMulV2", turned, {"adj_x": True, "adj_y": True}, target=target, orders=ONE)
    assert blas.calls["cublasLtMatmul"] == 4


def test_what_is_no_plain_product_stays_ours(target, blas):
    compare("BatchMatMulV2", [numbers(2, 1, 3, 5), numbers(1, 2, 5, 4)], {"adj_x": False, "adj_y": False},
            target=target, orders=ONE)
    compare("MatMul", [np.int32([[1, 2]]), np.int32([[3], [4]])], {"transpose_a": False, "transpose_b": False},
            target=target, orders=ONE)
    assert "cublasLtMatmul" not in blas.calls


@pytest.mark.parametrize("fused_ops", ["BiasAdd", "BiasAdd,Relu", "Add", "BiasAdd,Add,Relu", "Relu", "BiasAdd,Relu6",
                                       "Add,Relu6"])
def test_epilogues(target, blas, fused_ops):
    a, b = numbers(9, 5), numbers(5, 8)
    args = [numbers(8)] * ("BiasAdd" in fused_ops) + [numbers(9, 8)] * ("Add" in fused_ops.split(","))
    attrs = {"transpose_a": False, "transpose_b": False, "fused_ops": fused_ops.split(","), "epsilon": 1e-3,
             "num_args": len(args)}
    want, = REGISTRY["_FusedMatMul"].reference([a, b, *args], attrs)
    got, = run("_FusedMatMul", [a, b, *args], [(want.shape, "float32")], {**attrs, "fused_ops": fused_ops},
               target=target, orders=ONE)
    close(got, want, 4)
    assert blas.calls["cublasLtMatmul"] == 1


@pytest.mark.parametrize("fused_ops", ["Relu", "BiasAdd,Relu", "BiasAdd,Relu6"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_nan_survives_a_clamp(target, blas, fused_ops, dtype):
    """It would not in cuBLASLt's own epilogue, as far as its documentation goes: max(x, 0)."""
    a, b = numbers(9, 5, dtype=dtype), numbers(5, 8, dtype=dtype)
    a[4, 2] = np.nan
    args = [numbers(8, dtype=dtype)] * ("BiasAdd" in fused_ops)
    attrs = {"transpose_a": False, "transpose_b": False, "fused_ops": fused_ops, "num_args": len(args)}
    got, = run("_FusedMatMul", [a, b, *args], [((9, 8), dtype)], attrs, target=target, orders=ONE)
    assert np.isnan(got[4]).all() and not np.isnan(np.delete(got, 4, 0)).any() and (np.delete(got, 4, 0) >= 0).all()
    assert blas.calls["cublasLtMatmul"] == 1


@pytest.mark.parametrize("data", ["NHWC", "NCHW"])
def test_convolutions_of_single_pixels_are_products(target, blas, data):
    x, filters, attrs = numbers(2, 5, 4, 6), numbers(1, 1, 6, 8), CONV
    if data == "NCHW":
        x, attrs = np.ascontiguousarray(x.transpose(0, 3, 1, 2)), {**CONV, "data_format": data}
    y, = compare("Conv2D", [x, filters], attrs, target=target, orders=ONE)
    dy = numbers(*y.shape)
    compare("Conv2DBackpropInput", [np.int32(x.shape), filters, dy], attrs, {0}, 4, ONE, target)
    compare("Conv2DBackpropFilter", [x, np.int32(filters.shape), dy], attrs, {1}, 4, ONE, target)
    assert blas.calls.get("cublasLtMatmul", 0) == (3 if data == "NHWC" else 0)


def test_plans_of_one_product_keep_their_biases_apart(blas):
    a, b, none = numbers(4, 4), numbers(4, 4), 0
    first, second = CublasLt(blas).plans(Product("float", 4, 4, 4, has_bias=True))
    one, other = numbers(4), numbers(4)
    for plan, bias in (first, one), (second, other), (first, one), (second, other), (first, other), (second, one):
        y = np.empty((4, 4), np.float32)
        plan.run(none, a.ctypes.data, b.ctypes.data, y.ctypes.data, none, bias.ctypes.data)
        close(y, a @ b + bias, 4)


def test_tf32_is_asked_for_and_not_assumed():
    layer, asked = CublasLt(FakeCublasLt()), Product("float", 4, 4, 4)
    kinds = [layer.library._objects[layer.plans(asked._replace(allow_tf32=tf32))[0]._described.operation.handle.value]
             ["args"][0] for tf32 in (False, True)]
    assert kinds == [68, 77]


def test_the_handle_and_descriptors_are_given_back(blas):
    layer = CublasLt(blas)
    layer.plans(Product("float", 4, 4, 4))
    layer.close()
    assert not blas._objects


def test_a_refusal_is_a_reason_and_ours_runs():
    blas = FakeCublasLt(refuses=True)
    target = Target(libraries={"cublaslt": CublasLt(blas)})
    compare("MatMul", [numbers(3, 4), numbers(4, 5)], {"transpose_a": False, "transpose_b": False}, target=target,
            orders=ONE)
    assert "cublasLtMatmul" not in blas.calls
    with pytest.raises(LibraryError, match="cublasLtMatmulAlgoGetHeuristic: status 15"):
        target.libraries["cublaslt"].plans(Product("float", 1, 2, 3))
    with pytest.raises(LibraryError, match="cuBLASLt multiplies float, .*not int32"):
        target.libraries["cublaslt"].plans(Product("int32", 1, 2, 3))


# --- im2col -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("x, filters, change, products", [
    ((2, 9, 11, 3), (3, 3, 3, 8), {}, 3),
    ((2, 9, 12, 4), (3, 2, 4, 8), {}, 3),
    ((4, 9, 11, 8), (3, 3, 8, 8), {"strides": [1, 2, 3, 1]}, 8),                       # dx has a product per phase
    ((4, 9, 11, 3), (1, 1, 3, 5), {"strides": [1, 2, 2, 1]}, 3),                       # the others are zero
    ((1, 12, 13, 4), (3, 3, 4, 4), {"dilations": [1, 3, 2, 1], "padding": "VALID"}, 3),
    ((1, 5, 6, 2), (4, 3, 2, 3), {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 2, 1, 0, 3, 0, 0]}, 3),
    ((2, 6, 5, 8), (3, 3, 4, 12), {}, 0)])                                             # 2 groups
@pytest.mark.parametrize("matrix_bytes", [64 << 20, 4096])
def test_windows_are_written_out_for_products_of_16_bits(target, blas, monkeypatch, x, filters, change, products,
                                                         matrix_bytes):
    monkeypatch.setattr(_by_im2col, "MATRIX_BYTES", matrix_bytes)
    attrs = {**CONV, **change}
    x, filters = numbers(*x, dtype="float16"), numbers(*filters, dtype="float16")
    y, = compare("Conv2D", [x, filters], attrs, orders=("shuffled:1",), target=target)
    dy = numbers(*y.shape, dtype="float16")
    compare("Conv2DBackpropInput", [np.int32(x.shape), filters, dy], attrs, {0}, 1, ("shuffled:1",), target)
    compare("Conv2DBackpropFilter", [x, np.int32(filters.shape), dy], attrs, {1}, 1, ("shuffled:1",), target)
    count = blas.calls.get("cublasLtMatmul", 0)
    assert count == products if matrix_bytes > 4096 else count >= products


def conv_request(op_type, ins, out, dtype, attrs=CONV):
    return KernelRequest(op_type, attrs, ins, [out], [3 if len(s) == 1 else dtype for s in ins], [dtype])


def test_written_out_windows_take_bounded_memory(target, monkeypatch):
    monkeypatch.setattr(_by_im2col, "MATRIX_BYTES", 1 << 20)
    x, w = (64, 56, 56, 64), (3, 3, 64, 32)
    y = (*x[:3], 32)
    for op_type, ins, out in (("Conv2D", [x, w], y), ("Conv2DBackpropInput", [(4,), w, y], x),
                              ("Conv2DBackpropFilter", [x, (4,), y], w)):
        seen = Listing()
        work = kernels.prepare(conv_request(op_type, ins, out, 14), target._replace(choices=seen))
        assert sum(isinstance(c, LibraryCall) for c in work.commands) > 100
        assert (1 << 20) - 100_000 < seen.seen[0][1] < (1 << 20) + 200_000


def test_sums_over_parts_of_16_bits_are_formed_in_float32(target, blas, monkeypatch):
    """1560 places of 1 + 1/128, 64 at a time: a sum rounded to bfloat16 after each would lose the fractions."""
    monkeypatch.setattr(_by_im2col, "MATRIX_BYTES", 1)
    x, dy = (np.full(s, v, ml_dtypes.bfloat16).view(np.uint16)
             for s, v in (((1, 40, 40, 2), 1 + 2.0**-7), ((1, 39, 40, 3), 1)))
    dw, = run("Conv2DBackpropFilter", [x, np.int32([2, 1, 2, 3]), dy], [((2, 1, 2, 3), "bfloat16")],
              {**CONV, "padding": "VALID"}, constants=(1,), orders=ONE, target=target,
              dtypes=["bfloat16", "int32", "bfloat16"])
    assert blas.calls["cublasLtMatmul"] == 25
    assert (dw.view(np.uint16) == np.array(1560 * (1 + 2.0**-7), ml_dtypes.bfloat16).view(np.uint16)).all()


@pytest.mark.parametrize("fused_ops", [["BiasAdd"], ["BiasAdd", "Relu"], ["Relu6"], ["Add"], ["FusedBatchNorm"]])
def test_epilogues_of_written_out_windows(target, blas, monkeypatch, fused_ops):
    monkeypatch.setattr(_by_im2col, "MATRIX_BYTES", 1)
    x, filters = numbers(2, 9, 10, 4, dtype="float16"), numbers(3, 3, 4, 8, dtype="float16")
    column = [numbers(8, dtype="float16") for _ in range(3)] + [RNG.random(8).astype(np.float16) + np.float16(1)]
    args = {"BiasAdd": column[:1], "Add": [numbers(2, 9, 10, 8, dtype="float16")], "FusedBatchNorm": column,
            "Relu6": []}
    attrs = {**CONV, "fused_ops": fused_ops, "epsilon": 1e-3, "num_args": len(args[fused_ops[0]])}
    compare("_FusedConv2D", [x, filters, *args[fused_ops[0]]], attrs, orders=ONE, target=target)
    assert blas.calls.get("cublasLtMatmul", 0) == (0 if "FusedBatchNorm" in fused_ops else 3)      # 180 places by 64


def test_written_out_volumes(target, blas):
    attrs = {"strides": [1, 1, 2, 1, 1], "padding": "SAME", "data_format": "NDHWC", "dilations": [1] * 5}
    x, filters = numbers(1, 4, 5, 6, 3, dtype="float16"), numbers(3, 2, 3, 3, 4, dtype="float16")
    y, = compare("Conv3D", [x, filters], attrs, orders=ONE, target=target)
    dy = numbers(*y.shape, dtype="float16")
    compare("Conv3DBackpropInputV2", [np.int32(x.shape), filters, dy], attrs, {0}, 1, ONE, target)
    compare("Conv3DBackpropFilterV2", [x, np.int32(filters.shape), dy], attrs, {1}, 1, ONE, target)
    assert blas.calls["cublasLtMatmul"] == 4


def test_windows_are_written_out_for_tensor_cores_alone(blas, target):
    """float32 has them where TF32 is allowed; channels first are no rows of a matrix; cuDNN comes first."""
    def names(dtype, target, **attrs):
        class Seen:
            def choose(self, key, candidates, *sizes):
                self.names = [name for name, _ in candidates]
                return candidates[-1][1]
        seen = Seen()
        x, y = ((2, 3, 9, 9), (2, 8, 9, 9)) if "data_format" in attrs else ((2, 9, 9, 3), (2, 9, 9, 8))
        kernels.prepare(conv_request("Conv2D", [x, (3, 3, 3, 8)], y, dtype, {**CONV, **attrs}),
                        target._replace(choices=seen))
        return getattr(seen, "names", [])
    both = ["cublaslt im2col 0", "cublaslt im2col 1", "own"]
    assert names(19, target) == names(14, target) == names(1, target, allow_tf32=True) == both
    assert names(1, target) == names(2, target, allow_tf32=True) == names(19, target, data_format="NCHW") == []
    libraries = {**target.libraries, "cudnn": Cudnn(FakeCudnn())}
    assert names(19, target._replace(libraries=libraries))[-3:] == both
    assert names(19, target._replace(libraries=libraries))[0].startswith("cudnn")
    refusing = target._replace(libraries={"cublaslt": CublasLt(FakeCublasLt(refuses=True))})
    assert names(19, refusing) == []


# --- cuDNN --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("x, filters, change", [
    ((2, 9, 11, 3), (3, 3, 3, 5), {}), ((2, 9, 11, 4), (3, 2, 4, 8), {"strides": [1, 2, 3, 1]}),
    ((1, 12, 7, 3), (3, 3, 3, 4), {"padding": "VALID", "dilations": [1, 2, 1, 1]}), ((2, 6, 5, 8), (3, 3, 4, 12), {}),
    ((1, 5, 6, 2), (4, 3, 2, 3), {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 2, 1, 0, 3, 0, 0]}),
    ((1, 7, 8, 3), (1, 1, 3, 6), {"strides": [1, 3, 2, 1]})])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_convolutions(x, filters, change, dtype):
    fake = FakeCudnn()
    target, attrs = Target(libraries={"cudnn": Cudnn(fake)}), {**CONV, **change}
    x, filters = numbers(*x, dtype=dtype), numbers(*filters, dtype=dtype)
    y, = compare("Conv2D", [x, filters], attrs, orders=ONE, target=target)
    dy = numbers(*y.shape, dtype=dtype)
    compare("Conv2DBackpropInput", [np.int32(x.shape), filters, dy], attrs, {0}, 4, ONE, target)
    compare("Conv2DBackpropFilter", [x, np.int32(filters.shape), dy], attrs, {1}, 4, ONE, target)
    assert fake.executed == ["FORWARD", "DATA", "FILTER"]


@pytest.mark.parametrize("data_format", ["NDHWC", "NCDHW"])
def test_three_dimensions(data_format):
    fake = FakeCudnn()
    target = Target(libraries={"cudnn": Cudnn(fake)})
    attrs = {"strides": [1] * 5, "padding": "SAME", "data_format": data_format, "dilations": [1] * 5}
    x, filters = numbers(*((1, 4, 5, 6, 3) if data_format == "NDHWC" else (1, 3, 4, 5, 6))), numbers(3, 2, 3, 3, 4)
    y, = compare("Conv3D", [x, filters], attrs, orders=ONE, target=target)
    compare("Conv3DBackpropFilterV2", [x, np.int32(filters.shape), numbers(*y.shape)], attrs, {1}, 4, ONE, target)
    assert fake.executed == ["FORWARD", "FILTER"]


def test_fused_convolution_gets_its_end():
    fake = FakeCudnn()
    args = [numbers(8), numbers(8), numbers(8), RNG.random(8, np.float32) + 1, numbers(2, 9, 10, 8)]
    attrs = {**CONV, "fused_ops": ["FusedBatchNorm", "Add", "Relu"], "epsilon": 1e-3, "num_args": 5}
    compare("_FusedConv2D", [numbers(2, 9, 10, 4), numbers(3, 3, 4, 8), *args], attrs, factor=4,
            target=Target(libraries={"cudnn": Cudnn(fake)}), orders=ONE)
    assert fake.executed == ["FORWARD"]


def plans_of(**attrs):
    fake = FakeCudnn()
    request = KernelRequest("Conv2D", {**CONV, **attrs}, [(1, 8, 8, 4), (3, 3, 4, 4)], [(1, 8, 8, 4)], [1, 1], [1])
    choices = Listing()
    kernels.prepare(request, Target(libraries={"cudnn": Cudnn(fake, workspace_limit=1 << 20)}, choices=choices))
    return choices.seen


class Listing:
    """Choices that takes the first and keeps what it was shown."""

    def choose(self, key, candidates, in_bytes, out_bytes):
        self.seen = [(name, work.workspace_bytes) for name, work in candidates]
        return candidates[0][1]


def test_plans_by_precision_determinism_and_workspace():
    """Of the five engines one has too large a workspace, one is not deterministic, and two are of tensor cores."""
    transposed = 768                                     # bytes of the filters, a multiple of 256
    assert plans_of() == [("cudnn 0", transposed + 256), ("cudnn 1", transposed), ("own", 0)]
    assert plans_of(allow_tf32=True) == [("cudnn 0", transposed + 512), ("cudnn 1", transposed + 256),
                                         ("cudnn 2", transposed), ("own", 0)]


def test_a_workspace_limit_is_named(monkeypatch):
    monkeypatch.setattr("emulation.fake_cudnn.ENGINES", [(set(), 512)])
    image, pixel, ones = Tensor((1, 1, 2, 2), (4, 1, 2, 1)), Tensor((1, 1, 1, 1), (1, 1, 1, 1)), (1, 1)
    asked = Convolution("forward", "FLOAT", image, pixel, image, ones, ones, (0, 0), (0, 0))
    with pytest.raises(LibraryError, match="has no plan: a workspace of 512 bytes exceeds the limit of 256"):
        Cudnn(FakeCudnn(), workspace_limit=256).plans(asked)


def test_what_cudnn_refuses_is_ours():
    target = Target(libraries={"cudnn": Cudnn(FakeCudnn(refuses=True))})
    request = KernelRequest("Conv2D", CONV, [(1, 8, 8, 4), (3, 3, 4, 4)], [(1, 8, 8, 4)], [1, 1], [1])
    assert isinstance(kernels.prepare(request, target).commands[0], Launch)


def test_plans_of_shapes_that_were_asked_for_long_ago_are_looked_for_again(blas, monkeypatch):
    monkeypatch.setattr("thalweg_cuda.libraries.cublaslt.MOST_PLANS", 3)
    layer, asked = CublasLt(blas), Product("float", 4, 4, 4)
    kept, *_ = layer.plans(asked)
    for m in 1, 2, 4, 3, 4, 1, 5, 4:                     # 4 is asked for again and again
        layer.plans(asked._replace(m=m))
    assert blas.calls["cublasLtMatmulAlgoGetHeuristic"] == 6                 # 1 twice
    assert layer.plans(asked)[0] is kept
    fake, ones = FakeCudnn(), (1, 1)
    image, pixel = Tensor((1, 1, 2, 2), (4, 1, 2, 1)), Tensor((1, 1, 1, 1), (1, 1, 1, 1))
    monkeypatch.setattr("thalweg_cuda.libraries.cudnn.MOST_PLANS", 1)
    cudnn, asked = Cudnn(fake), Convolution("forward", "FLOAT", image, pixel, image, ones, ones, (0, 0), (0, 0))
    first = cudnn.plans(asked)
    assert cudnn.plans(asked) is first
    cudnn.plans(asked._replace(allow_tf32=True))
    assert cudnn.plans(asked) is not first


# --- threads ------------------------------------------------------------------------------------------

def products():
    """Two requests to cuBLASLt, the function that looks for plans, and the one that runs them."""
    fake = FakeCublasLt()
    layer, asked = CublasLt(fake), Product("float", 4, 4, 4)
    plan, = layer.plans(asked)[:1]
    return fake, "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul", lambda: layer.plans(asked._replace(m=8)), \
        lambda: plan.run(0, 0, 0, 0, 0)


def convolutions():
    """The same of cuDNN."""
    fake, ones = FakeCudnn(), (1, 1)
    image, pixel = Tensor((1, 1, 2, 2), (4, 1, 2, 1)), Tensor((1, 1, 1, 1), (1, 1, 1, 1))
    asked = Convolution("forward", "FLOAT", image, pixel, image, ones, ones, (0, 0), (0, 0))
    layer = Cudnn(fake)
    plan, = layer.plans(asked)[:1]
    return fake, "cudnnBackendFinalize", "cudnnBackendExecute", lambda: layer.plans(asked._replace(allow_tf32=True)), \
        lambda: layer.execute(0, plan.descriptor, plan.descriptor)


@pytest.mark.parametrize("library", [products, convolutions])
def test_a_handle_is_used_by_one_thread_at_a_time(library):
    fake, finds, runs, find, run_it = library()
    inside, go_on, ran, finding = threading.Event(), threading.Event(), [], getattr(fake, finds)

    def waits(*args):
        inside.set()
        assert go_on.wait(60)
        return finding(*args)
    setattr(fake, finds, waits)
    setattr(fake, runs, lambda *args: ran.append(args) or 0)
    threads = [threading.Thread(target=each) for each in (find, run_it)]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    threads[1].join(0.2)                                 # time to do what it must not
    early = list(ran)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert not early and len(ran) == 1
