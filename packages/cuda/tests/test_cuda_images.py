"""Resizing and local response normalisation against the reference bodies."""
import numpy as np
import pytest
from emulation.reference import compare

from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

RNG = np.random.default_rng(0)
ONE = ("forward",)
MODES = [(False, False), (True, False), (False, True)]
SIZES = [((2, 5, 7, 3), (8, 9)), ((1, 9, 8, 4), (4, 3)), ((1, 1, 1, 1), (3, 2)), ((1, 4, 5, 2), (1, 1)),
         ((2, 6, 4, 8), (6, 4)), ((0, 3, 3, 2), (2, 2)), ((1, 33, 34, 5), (70, 21))]


def numbers(*shape, dtype="float32"):
    return RNG.integers(-100 if np.dtype(dtype).kind == "i" else 0, 100, shape).astype(dtype) \
        if np.dtype(dtype).kind in "iu" else RNG.standard_normal(shape).astype(dtype)


def attrs_of(mode):
    return dict(zip(("align_corners", "half_pixel_centers"), mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape, size", SIZES)
def test_resizing(shape, size, mode):
    x, attrs, size = numbers(*shape), attrs_of(mode), np.int32(size)
    y, = compare("ResizeBilinear", [x, size], attrs, {1}, orders=ONE)
    compare("ResizeNearestNeighbor", [x, size], attrs, {1}, orders=ONE)
    dy = numbers(*y.shape)
    compare("ResizeBilinearGrad", [dy, x], attrs, factor=4, orders=ONE)
    compare("ResizeNearestNeighborGrad", [dy, np.int32(shape[1:3])], attrs, {1}, factor=4, orders=ONE)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "int64", "float16", "float64"])
def test_dtypes(dtype):
    x, attrs, size = numbers(2, 5, 6, 4, dtype=dtype), attrs_of((False, True)), np.int32([9, 4])
    compare("ResizeBilinear", [x, size], attrs, {1}, orders=ONE)
    y, = compare("ResizeNearestNeighbor", [x, size], attrs, {1}, orders=ONE)
    if dtype in ("uint8", "int8", "int32", "float16", "float64"):
        compare("ResizeNearestNeighborGrad", [y, np.int32([5, 6])], attrs, {1}, orders=ONE)
    if dtype in ("float16", "float64"):
        dy = numbers(2, 9, 4, 4)
        compare("ResizeBilinearGrad", [dy, x], attrs, orders=ONE)


def test_many_sizes_have_the_reference_s_pixels():
    """Nearest pixels of ramps show each rounding of a place."""
    for mode in MODES:
        for size, wanted in [(100, 37), (37, 100), (7, 300), (301, 7), (255, 256), (640, 224), (224, 640)]:
            ramp = np.arange(size, dtype=np.int32).reshape(1, 1, size, 1)
            compare("ResizeNearestNeighbor", [ramp, np.int32([1, wanted])], attrs_of(mode), {1}, orders=ONE)


@pytest.mark.parametrize("radius", [0, 2, 5, 300])
@pytest.mark.parametrize("shape", [(2, 3, 4, 7), (1, 9, 9, 64), (1, 2, 1, 700), (0, 1, 1, 3), (1, 1, 1, 1)])
def test_local_response_normalisation(shape, radius):
    x, attrs = numbers(*shape), {"depth_radius": radius, "bias": 2.0, "alpha": 0.5, "beta": 0.75}
    y, = compare("LRN", [x], attrs, factor=2)
    compare("LRNGrad", [numbers(*shape), x, y], attrs, factor=2)


def test_normalisation_of_float16():
    x, attrs = numbers(2, 3, 4, 20, dtype="float16"), {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}
    y, = compare("LRN", [x], attrs)
    compare("LRNGrad", [numbers(2, 3, 4, 20, dtype="float16"), x, y], attrs)


def test_normalisation_beyond_one_pass_of_the_grid():
    compare("LRN", [numbers(1, 60, 60, 8)], {"depth_radius": 2, "bias": 1.0, "alpha": 1.0, "beta": 0.5}, orders=ONE,
            target=Target(multiprocessors=2))


def refusal(op_type, ins, outs, attrs, dtypes=(1, 3), out=1):
    with pytest.raises(Unsupported) as told:
        kernels.prepare(KernelRequest(op_type, attrs, ins, outs, dtypes[:len(ins)], [out]), Target())
    return str(told.value)


def test_what_does_not_fit_is_refused():
    attrs = attrs_of((False, False))
    x, size, y = (1, 4, 4, 3), (2,), (1, 2, 2, 3)
    assert "bool, float images" in refusal("ResizeBilinear", [x, size], [y], attrs, (10, 3))
    assert "are not resized to (1, 2, 2, 4)" in refusal("ResizeBilinear", [x, size], [(1, 2, 2, 4)], attrs)
    assert "told by the reference body" in refusal("ResizeBilinear", [x, size], [y], attrs_of((True, True)))
    assert "does not count the pixels" in refusal("ResizeBilinear", [x, size], [(1, 2**25, 1, 3)], attrs)
    attrs, wide = {"depth_radius": 9000, "bias": 1.0, "alpha": 1.0, "beta": 0.5}, (1, 1, 1, 9000)
    assert "with depth_radius 9000" in refusal("LRN", [wide], [wide], attrs)
    assert "no kernel for double" in refusal("LRN", [y], [y], attrs, (2,), 2)
