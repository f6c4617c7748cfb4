"""Pooling and its gradients against the reference bodies."""
import numpy as np
import pytest
from emulation.direct import run
from emulation.reference import compare

import thalweg as tf
from thalweg.devices.core_api import KernelRequest
from thalweg.framework import errors
from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

RNG = np.random.default_rng(0)
ONE = ("forward",)
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16"]


def numbers(shape, dtype="float32"):
    """Few different values, so that there are equal ones in most windows."""
    return RNG.integers(0, 100, shape).astype(dtype) if np.dtype(dtype).kind in "iu" else \
        RNG.integers(-40, 40, shape).astype(dtype) / 8


def attrs_of(ksize, strides, padding, data_format="NHWC"):
    def spread(values):
        return [1, 1, *values] if data_format.startswith("NC") else [1, *values, 1]
    return {"ksize": spread(ksize), "strides": spread(strides), "padding": padding, "data_format": data_format}


WINDOWS = [
    ((2, 9, 11, 3), (3, 3), (2, 2), "SAME"), ((2, 8, 8, 4), (2, 2), (2, 2), "VALID"),
    ((1, 7, 9, 8), (3, 2), (1, 2), "SAME"), ((1, 9, 9, 5), (2, 3), (3, 4), "VALID"),
    ((1, 1, 1, 1), (1, 1), (1, 1), "SAME"), ((0, 5, 5, 4), (2, 2), (2, 2), "SAME"),
    ((1, 20, 19, 4), (17, 16), (1, 1), "VALID"), ((3, 40, 41, 36), (3, 3), (1, 1), "SAME"),
]


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("shape, ksize, strides, padding", WINDOWS)
def test_two_dimensions(shape, ksize, strides, padding, data_format):
    attrs = attrs_of(ksize, strides, padding, data_format)
    every(numbers((shape[0], shape[3], *shape[1:3]) if data_format == "NCHW" else shape), attrs, "")


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("k, step, padding", [(2, 2, "VALID"), (3, 2, "SAME"), (1, 3, "VALID"), (6, 6, "SAME")])
def test_windows_over_channels(k, step, padding, data_format):
    at = data_format.index("C")
    ksize, strides = ([v if axis == at else 1 for axis in range(4)] for v in (k, step))
    attrs = {"ksize": ksize, "strides": strides, "padding": padding, "data_format": data_format}
    for shape in ((2, 3, 4, 6), (1, 6, 5, 7)):
        every(numbers(shape), attrs, "")


@pytest.mark.parametrize("data_format", ["NDHWC", "NCDHW"])
def test_three_dimensions(data_format):
    shape = (2, 5, 6, 7, 3) if data_format == "NDHWC" else (2, 3, 5, 6, 7)
    x = numbers(shape)
    x[0, 0, 1] = np.nan
    every(x, attrs_of((2, 3, 2), (2, 1, 3), "SAME", data_format), "3D")


def every(x, attrs, rank, orders=ONE):
    y, = compare(f"MaxPool{rank}", [x], attrs, orders=orders)
    dy = RNG.standard_normal(y.shape).astype(x.dtype)
    compare(f"MaxPool{rank}Grad", [x, y, dy], attrs, orders=orders)
    compare(f"MaxPool{rank}GradGrad", [x, y, RNG.standard_normal(x.shape).astype(x.dtype)], attrs, orders=orders)
    x = np.nan_to_num(x)
    compare(f"AvgPool{rank}", [x], attrs, orders=orders)
    compare(f"AvgPool{rank}Grad", [np.int32(x.shape), dy], attrs, {0}, orders=orders)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_dtypes(dtype):
    every(numbers((2, 9, 10, 4), dtype), attrs_of((3, 3), (2, 2), "SAME"), "", ("reversed",))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype):
    attrs, x = attrs_of((3, 2), (2, 2), "SAME"), numbers((2, 7, 6, 4), dtype)
    y, = compare("MaxPool", [x], attrs, orders=ONE)
    dy = numbers(y.shape, dtype)
    compare("MaxPoolGrad", [x, y, dy], attrs, orders=ONE)


def test_nan_infinity_and_ties():
    x = np.full((1, 4, 6, 1), 1, np.float32)
    x[0, 0, :2, 0] = np.nan
    x[0, :, 2:4, 0] = -np.inf
    x[0, 2, 5, 0] = np.inf
    every_but_mean(x, attrs_of((2, 2), (2, 2), "VALID"))
    y, = compare("MaxPool", [np.full((1, 2, 2, 1), np.nan, np.float32)], attrs_of((2, 2), (2, 2), "VALID"))
    assert y.item() == np.finfo(np.float32).min                                       # as TensorFlow's kernel


def every_but_mean(x, attrs):
    y, = compare("MaxPool", [x], attrs)
    compare("MaxPoolGrad", [x, y, np.arange(1, y.size + 1, dtype=x.dtype).reshape(y.shape)], attrs)
    compare("MaxPoolGradGrad", [x, y, RNG.standard_normal(x.shape).astype(x.dtype)], attrs)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("index", [tf.int32, tf.int64])
@pytest.mark.parametrize("shape, ksize, strides, padding", [*WINDOWS[:4], WINDOWS[5]])
def test_argmax(shape, ksize, strides, padding, index, batch):
    x = numbers(shape)
    attrs = {**attrs_of(ksize, strides, padding), "include_batch_in_index": batch}
    attrs.pop("data_format")
    y, argmax = compare("MaxPoolWithArgmax", [x], {**attrs, "Targmax": index}, orders=ONE)
    argmax_gradients(x, argmax, attrs)


def argmax_gradients(x, argmax, attrs):
    dy = RNG.standard_normal(argmax.shape).astype(np.float32)
    compare("MaxPoolGradWithArgmax", [x, dy, argmax], attrs)
    compare("MaxPoolGradGradWithArgmax", [x, RNG.standard_normal(x.shape).astype(np.float32), argmax], attrs)


@pytest.mark.parametrize("batch", [False, True])
def test_argmax_that_names_elements_of_other_windows(batch):
    attrs = {**attrs_of((2, 2), (2, 2), "VALID"), "include_batch_in_index": batch}
    attrs.pop("data_format")
    argmax = RNG.integers(0, (2 if batch else 1) * 6 * 6 * 3, (2, 3, 3, 3))
    argmax_gradients(numbers((2, 6, 6, 3)), argmax, attrs)


@pytest.mark.parametrize("place", [-1, 108])
def test_argmax_outside_of_the_image_is_an_error(place):
    attrs = {**attrs_of((2, 2), (2, 2), "VALID"), "include_batch_in_index": False}
    attrs.pop("data_format")
    x, dy, argmax = numbers((2, 6, 6, 3)), numbers((2, 3, 3, 3)), np.zeros((2, 3, 3, 3), np.int64)
    argmax[1, 2, 2, 2] = place
    told = "WithArgmax: argmax names an element outside"
    with pytest.raises(errors.InvalidArgumentError, match=f"MaxPoolGrad{told}"):
        run("MaxPoolGradWithArgmax", [x, dy, argmax], [(x.shape, "float32")], attrs)
    with pytest.raises(errors.InvalidArgumentError, match=f"MaxPoolGradGrad{told}"):
        run("MaxPoolGradGradWithArgmax", [x, x, argmax], [(dy.shape, "float32")], attrs)


def test_what_does_not_fit_is_refused():
    attrs = attrs_of((2, 2), (2, 2), "VALID")
    def refusal(shape, result, changed=attrs, dtype=1, op_type="MaxPool"):
        with pytest.raises(Unsupported) as told:
            kernels.prepare(KernelRequest(op_type, changed, [shape], [result], [dtype], [dtype]), Target())
        return str(told.value)
    assert "as many channels" in refusal((1, 4, 4, 3), (1, 2, 2, 4))
    assert "fewer than 2**31 numbers" in refusal((2, 1 << 15, 1 << 15, 1), (2, 1 << 14, 1 << 14, 1))
    assert "no kernel for complex64" in refusal((1, 4, 4, 3), (1, 2, 2, 3), dtype=8)
    assert "no kernel for int32" in refusal((1, 4, 4, 3), (1, 2, 2, 3), dtype=3, op_type="AvgPool")
    told = refusal((1, 4, 4, 4), (1, 2, 2, 2), {**attrs, "ksize": [1, 2, 2, 2]})
    assert "1 is expected for images and channels" in told
