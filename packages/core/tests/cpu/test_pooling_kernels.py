"""Pooling and its gradients on the CPU."""
import itertools

import numpy as np
import pytest
from oracle import aligned, check, numbers, paddings, run

from thalweg.cpu import pooling
from thalweg.cpu._request import Unsupported
from thalweg.framework import errors

# x, window, strides, padding
CASES = {
    "2x2": ((2, 8, 6, 32), (2, 2), (2, 2), "VALID"),
    "3x3": ((2, 9, 10, 64), (3, 3), (2, 2), "SAME"),
    "odd rest": ((2, 7, 9, 19), (2, 2), (2, 2), "VALID"),
    "same, odd": ((3, 7, 9, 5), (2, 2), (2, 2), "SAME"),
    "overlap": ((1, 6, 7, 33), (3, 2), (1, 1), "SAME"),
    "stride beyond the window": ((2, 9, 11, 16), (2, 1), (4, 3), "VALID"),
    "global": ((2, 5, 4, 40), (5, 4), (5, 4), "VALID"),
    "window beyond the image": ((1, 2, 3, 8), (5, 5), (1, 1), "SAME"),
    "bands": ((1, 130, 20, 24), (3, 3), (2, 2), "SAME"),
    "bands, side by side": ((1, 131, 20, 24), (2, 2), (2, 2), "SAME"),
    "3x3, every place": ((1, 7, 8, 37), (3, 3), (1, 1), "SAME"),
    "3x3, side by side": ((2, 9, 12, 21), (3, 3), (3, 3), "VALID"),
    "3x3, unlike steps": ((2, 8, 9, 16), (3, 3), (4, 2), "VALID"),
    "no images": ((0, 8, 8, 4), (2, 2), (2, 2), "VALID"),
    "no channels": ((2, 8, 8, 0), (2, 2), (2, 2), "VALID"),
    "no places": ((2, 1, 8, 4), (2, 2), (2, 2), "VALID"),
    "volume": ((2, 5, 6, 7, 9), (2, 3, 2), (2, 2, 1), "SAME"),
    "volume, bands": ((1, 40, 9, 8, 20), (3, 3, 3), (2, 2, 2), "SAME"),
}
FLAT = {name: case for name, case in CASES.items() if "volume" not in name}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
each_flat = pytest.mark.parametrize("case", FLAT.values(), ids=FLAT)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def windows_of(case):
    """For each place of an image, (place, positions of its window as index arrays)."""
    shape, window, steps, padding = case
    pads = paddings(padding, shape[1:-1], window, steps, (1,) * len(window))
    axes = []
    for size, k, s, (before, after) in zip(shape[1:-1], window, steps, pads, strict=True):
        starts = range(-before, size + after - k + 1, s)
        axes.append([np.arange(max(b, 0), min(b + k, size)) for b in starts])
    for place in itertools.product(*[range(len(a)) for a in axes]):
        yield place, np.ix_(*[a[i] for a, i in zip(axes, place, strict=True)])


def places_of(case):
    shape = case[0]
    last = [place for place, _ in windows_of(case)]
    sizes = np.max(last, axis=0) + 1 if last else [0 if k > s else -(-(s - k + 1) // d) for s, k, d in
                                                   zip(shape[1:-1], *case[1:3], strict=True)]
    return (shape[0], *map(int, sizes), shape[-1])


def attributes(case, **more):
    _, window, steps, padding = case
    return {"ksize": [1, *window, 1], "strides": [1, *steps, 1], "padding": padding,
            "data_format": "NHWC" if len(window) == 2 else "NDHWC", **more}


def tied(shape, dtype):
    """Numbers of which many are equal."""
    return np.random.default_rng(shape).integers(0, 4, shape).astype(dtype)


def maxima(x, case):
    """Maxima and, for each, the element that comes first, as offsets in the image."""
    y, first = np.zeros(places_of(case)), np.zeros(places_of(case), np.int64)
    numbered = np.arange(x[0].size).reshape(x.shape[1:]) if x.size else x[:1]
    for place, at in windows_of(case):
        for n in range(x.shape[0] if x.size else 0):
            values, names = x[n][at].reshape(-1, x.shape[-1]), numbered[at].reshape(-1, x.shape[-1])
            y[(n, *place)] = values.max(0)
            first[(n, *place)] = names[values.argmax(0), np.arange(x.shape[-1])]
    return y, first


@each_case
@dtypes
def test_max_pool_and_its_gradients(case, dtype):
    x, dims = tied(case[0], dtype), len(case[1])
    y, first = maxima(x, case)
    dy, g = numbers(*y.shape, seed=1, dtype=dtype), numbers(*x.shape, seed=2, dtype=dtype)
    dx, dy_back = np.zeros(x.shape), np.zeros(y.shape)
    for n in range(len(x)):
        np.add.at(dx[n].reshape(-1), first[n], dy[n])
        dy_back[n] = g[n].reshape(-1)[first[n]] if x.size else 0
    if dims == 3:                                     # volumes: every element that equals the maximum has its share
        dx[:] = 0
        for place, at in windows_of(case):
            for n in range(len(x)):
                dx[n][at] += (x[n][at] == y[(n, *place)]) * dy[(n, *place)]
    op = "MaxPool" if dims == 2 else "MaxPool3D"
    kernels = [pooling.max_pool, pooling.max_pool_grad, pooling.max_pool_grad_grad] if dims == 2 else \
              [pooling.max_pool3d, pooling.max_pool3d_grad, pooling.max_pool3d_grad_grad]
    attrs, pooled = attributes(case), y.astype(dtype)
    check(kernels[0], op, [x], [y], attrs)
    check(kernels[1], f"{op}Grad", [x, pooled, dy], [dx], attrs)
    check(kernels[2], f"{op}GradGrad", [x, pooled, g], [dy_back], attrs)


@each_flat
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("through_batch", [False, True])
def test_max_pool_with_argmax_and_its_gradients(case, index, through_batch):
    x = tied(case[0], np.float32)
    y, first = maxima(x, case)
    images = np.arange(len(x)).reshape(-1, 1, 1, 1) * (x.size // max(len(x), 1))
    places = (first + images * through_batch).astype(index)
    attrs = attributes(case, Targmax=3 if index == np.int32 else 9, include_batch_in_index=through_batch)
    got = run(pooling.max_pool_with_argmax, "MaxPoolWithArgmax", [x], [(y.shape, np.float32), (y.shape, index)], attrs)
    np.testing.assert_array_equal(got[0], y)
    np.testing.assert_array_equal(got[1], places)
    dy, g = numbers(*y.shape, seed=1), numbers(*x.shape, seed=2)
    dx = np.zeros(x.size)
    np.add.at(dx, first + images, dy)
    check(pooling.max_pool_grad_with_argmax, "MaxPoolGradWithArgmax", [x, dy, places], [dx.reshape(x.shape)], attrs)
    check(pooling.max_pool_grad_grad_with_argmax, "MaxPoolGradGradWithArgmax", [x, g, places],
          [g.reshape(-1)[first + images].astype(np.float64) if x.size else y], attrs)


@each_case
@dtypes
def test_avg_pool_and_its_gradient(case, dtype):
    x = numbers(*case[0], dtype=dtype)
    y = np.zeros(places_of(case))
    dy, dx = numbers(*y.shape, seed=1, dtype=dtype), np.zeros(x.shape)
    for place, at in windows_of(case):
        for n in range(len(x)):
            window = x[n][at].astype(np.float64)
            count = np.prod(window.shape[:-1])
            y[(n, *place)] = window.sum(tuple(range(window.ndim - 1))) / count
            dx[n][at] += dy[(n, *place)] / count
    volume = len(case[1]) == 3
    check(pooling.avg_pool3d if volume else pooling.avg_pool, "AvgPool3D" if volume else "AvgPool", [x], [y],
          attributes(case))
    check(pooling.avg_pool3d_grad if volume else pooling.avg_pool_grad, "AvgPool3DGrad" if volume else "AvgPoolGrad",
          [np.array(case[0], np.int32), dy], [dx], attributes(case), constants=(0,))


@pytest.mark.parametrize("size", [2, 3])
def test_results_past_the_caches_are_those_of_single_images(size):
    shape, pooled = (20, 128, 128, 64), (20, 64, 64, 64)              # 84 MB pooled to 21; an image is 4 MB
    x, dy = numbers(*shape), numbers(*pooled, seed=1)
    attrs = attributes((shape, (size, size), (2, 2), "SAME"))
    kernels = {"MaxPool": (pooling.max_pool, pooled), "AvgPool": (pooling.avg_pool, pooled),
               "MaxPoolGrad": (pooling.max_pool_grad, shape), "AvgPoolGrad": (pooling.avg_pool_grad, shape)}
    for op, (kernel, out) in kernels.items():
        of_inputs = {"MaxPoolGrad": [x, dy, dy], "AvgPoolGrad": [np.array(shape, np.int32), dy]}.get(op, [x])
        whole, = run(kernel, op, of_inputs, [aligned(out)], attrs)
        for n in (0, 19):
            of_image = [np.array([1, *shape[1:]], np.int32) if v.ndim == 1 else v[n:n + 1] for v in of_inputs]
            image, = run(kernel, op, of_image, [((1, *out[1:]), np.float32)], attrs)
            assert image.tobytes() == whole[n:n + 1].tobytes()


LOWEST = np.finfo(np.float32).min


@pytest.mark.parametrize("channels", [1, 64])
@pytest.mark.parametrize("window, maximum, first", [
    ([np.nan, 1, 2, 3], 3, 0), ([1, np.nan, 2, 0], 2, 2), ([np.nan] * 4, LOWEST, 0), ([-np.inf] * 4, LOWEST, 0),
    ([-0.0, 0.0, 0.0, -0.0], 0, 0), ([3, 3, 3, 3], 3, 0)])
def test_nan_infinities_and_zeros_as_tensorflow_1_15_treats_them(window, maximum, first, channels):
    x = np.repeat(np.array(window, np.float32).reshape(1, 2, 2, 1), channels, -1)
    attrs = attributes((x.shape, (2, 2), (2, 2), "VALID"))
    y, = run(pooling.max_pool, "MaxPool", [x], [((1, 1, 1, channels), np.float32)], attrs)
    assert (y == maximum).all()
    dx, = run(pooling.max_pool_grad, "MaxPoolGrad", [x, y, np.ones_like(y)], [(x.shape, np.float32)], attrs)
    assert (dx.reshape(4, channels) == np.eye(4)[first][:, None]).all()


def test_a_place_outside_is_an_error():
    x, dy = numbers(1, 4, 4, 2), numbers(1, 2, 2, 2)
    attrs = attributes((x.shape, (2, 2), (2, 2), "VALID"), Targmax=9)
    for place in (-1, 32):
        places = np.full(dy.shape, place, np.int64)
        with pytest.raises(errors.InvalidArgumentError, match="MaxPoolGradWithArgmax: argmax names an element out"):
            run(pooling.max_pool_grad_with_argmax, "MaxPoolGradWithArgmax", [x, dy, places],
                [(x.shape, np.float32)], attrs)
        with pytest.raises(errors.InvalidArgumentError, match="MaxPoolGradGradWithArgmax: argmax names an element"):
            run(pooling.max_pool_grad_grad_with_argmax, "MaxPoolGradGradWithArgmax", [x, x, places],
                [(dy.shape, np.float32)], attrs)


BAD = {
    "channels": ({"ksize": [1, 2, 2, 2]}, r"ksize \[1, 2, 2, 2\] over 2 spatial axes; 1 is expected at both ends"),
    "NCHW": ({"data_format": "NCHW"}, "data_format 'NCHW' with 2 spatial axes; channels-last only"),
    "places": ({"padding": "SAME", "strides": [1, 1, 1, 1]}, "4 windows on spatial axis 0, the shapes say 2"),
}


@pytest.mark.parametrize("changes, message", BAD.values(), ids=BAD)
def test_what_is_left_to_the_reference_says_why(changes, message):
    x = numbers(1, 4, 4, 2)
    attrs = attributes((x.shape, (2, 2), (2, 2), "VALID")) | changes
    with pytest.raises(Unsupported, match=f"MaxPool: {message}"):
        run(pooling.max_pool, "MaxPool", [x], [((1, 2, 2, 2), np.float32)], attrs)


def test_other_dtypes_are_left_to_the_reference():
    x = np.ones((1, 4, 4, 2), np.int32)
    with pytest.raises(Unsupported, match="MaxPool: the CPU kernel takes float32 and float64, not DataType 3"):
        run(pooling.max_pool, "MaxPool", [x], [((1, 2, 2, 2), np.int32)],
            attributes((x.shape, (2, 2), (2, 2), "VALID")))
