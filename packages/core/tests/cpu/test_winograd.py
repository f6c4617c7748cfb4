"""Winograd convolutions against float64, on the shapes of five networks in little and on odd ones."""
import numpy as np
import pytest
from oracle import check, numbers
from test_conv_kernels import attributes, convolve, filter_gradient, image_gradient

import thalweg as tf
from thalweg.cpu import conv, conv_grad
from thalweg.cpu._request import Unsupported
from thalweg.testing.kernel_call import KernelCall

# x, filter, padding
CASES = {
    "one place": ((1, 1, 1, 8), (3, 3, 8, 8), "SAME"),
    "one channel": ((2, 6, 7, 1), (3, 3, 1, 1), "SAME"),
    "17 channels": ((2, 9, 10, 17), (3, 3, 17, 19), "SAME"),
    "whole tiles": ((2, 8, 8, 16), (3, 3, 16, 32), "SAME"),
    "cut tiles": ((3, 7, 5, 32), (3, 3, 32, 48), "SAME"),
    "valid": ((2, 9, 8, 12), (3, 3, 12, 16), "VALID"),
    "explicit": ((2, 6, 7, 11), (3, 3, 11, 5), [(2, 0), (1, 2)]),
    "many blocks": ((4, 30, 31, 16), (3, 3, 16, 40), "SAME"),
    "wide": ((1, 4, 4, 300), (3, 3, 300, 70), "SAME"),
    "5 x 5": ((2, 9, 10, 17), (5, 5, 17, 33), "SAME"),
    "5 x 5 valid": ((2, 9, 10, 8), (5, 5, 8, 4), "VALID"),
    "5 x 5 many blocks": ((4, 21, 23, 8), (5, 5, 8, 16), "SAME"),
    "5 x 5 beyond the image": ((2, 3, 2, 10), (5, 5, 10, 6), "SAME"),
    "1 x 7": ((2, 9, 10, 17), (1, 7, 17, 33), "SAME"),
    "7 x 1": ((2, 9, 10, 17), (7, 1, 17, 33), "SAME"),
    "1 x 7 many blocks": ((4, 21, 23, 8), (1, 7, 8, 40), "SAME"),
    "7 x 1 valid": ((2, 19, 10, 8), (7, 1, 8, 4), "VALID"),
    "1 x 7 beyond the image": ((2, 3, 2, 10), (1, 7, 10, 6), "SAME"),
    "1 x 3": ((2, 9, 10, 17), (1, 3, 17, 33), "SAME"),
    "3 x 1 many blocks": ((4, 21, 23, 8), (3, 1, 8, 40), "SAME"),
    "3 x 1 explicit": ((2, 6, 7, 11), (3, 1, 11, 5), [(2, 0), (1, 2)]),
}
ALGORITHMS = pytest.mark.parametrize("algorithm, rtol", [("2x2", 5e-6), ("4x4", 2e-5)])
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def asked(algorithm, padding, **more):
    return attributes((1, 1), padding, (1, 1), **{"convolution:algorithm": algorithm}, **more)


@each_case
@ALGORITHMS
def test_convolutions_and_their_gradients(case, algorithm, rtol):
    x_shape, w_shape, padding = case
    x, w = numbers(*x_shape), numbers(*w_shape, seed=1)
    y = convolve(x, w, (1, 1), padding, (1, 1))
    dy, attrs = numbers(*y.shape, seed=2), asked(algorithm, padding)
    rtol = 2e-5 if w_shape[0] == 5 else rtol
    check(conv.conv2d, "Conv2D", [x, w], [y], attrs, rtol=rtol)
    dx = image_gradient(x_shape, w.astype(np.float64), (1, 1), padding, (1, 1), dy)
    check(conv_grad.conv2d_backprop_input, "Conv2DBackpropInput", [np.array(x_shape, np.int32), w, dy], [dx], attrs,
          rtol=rtol, constants=(0,))
    check(conv_grad.conv2d_backprop_filter, "Conv2DBackpropFilter", [x, np.array(w_shape, np.int32), dy],
          [filter_gradient(x, w_shape, (1, 1), padding, (1, 1), dy)], attrs, rtol=3e-5, constants=(1,))


@ALGORITHMS
@pytest.mark.parametrize("images", [1, 20])
@pytest.mark.parametrize("has_norm", [False, True])
def test_epilogues(algorithm, rtol, images, has_norm):
    x, w, bias = numbers(images, 12, 13, 20), numbers(3, 3, 20, 37, seed=1), numbers(37, seed=2)
    residual, norm = numbers(images, 12, 13, 37, seed=3), []
    y, ops = convolve(x, w, (1, 1), "SAME", (1, 1)) + bias, "BiasAdd,Add,Relu6"
    if has_norm:
        norm, ops = [numbers(37, seed=s) for s in range(4, 8)], "BiasAdd,FusedBatchNorm,Add,Relu6"
        norm[3] = np.abs(norm[3]) + np.float32(0.1)
        y = (y - norm[2]) / np.sqrt(norm[3] + 1e-3) * norm[0] + norm[1]
    check(conv.fused_conv2d, "_FusedConv2D", [x, w, bias, *norm, residual], [np.clip(y + residual, 0, 6)],
          asked(algorithm, "SAME", fused_ops=ops, epsilon=1e-3), rtol=rtol)


def test_a_filter_larger_than_the_caches_goes_by_blocks_of_phases():
    x, w = numbers(1, 57, 58, 290), numbers(3, 3, 290, 300, seed=1)

    def run(algorithm, threads):
        return KernelCall(conv.conv2d, "Conv2D", [x, w], [((1, 57, 58, 300), np.float32)], asked(algorithm, "SAME"),
                          threads=threads).run()[0].copy()

    exact, tiled = run("exact", 2), run("4x4", 1)
    assert tiled.tobytes() == run("4x4", 2).tobytes()
    np.testing.assert_allclose(tiled, exact, atol=2e-5 * np.sqrt(np.mean(exact ** 2)))


def test_taps_that_meet_no_pixel_have_no_gradient():
    x, dy = numbers(32, 1, 17, 64), numbers(32, 1, 17, 64, seed=2)
    for algorithm in ("auto", "4x4"):
        dw, = KernelCall(conv_grad.conv2d_backprop_filter, "Conv2DBackpropFilter",
                         [x, np.array([5, 5, 64, 64], np.int32), dy], [((5, 5, 64, 64), np.float32)],
                         asked(algorithm, "SAME"), constants=(1,)).run()
        assert not dw[[0, 1, 3, 4]].any() and dw[2].any()


def test_nothing_to_do_is_left_to_direct_sums():
    for x_shape, w_shape in [((0, 8, 8, 4), (3, 3, 4, 5)), ((2, 8, 8, 0), (3, 3, 0, 5)), ((2, 8, 8, 4), (3, 3, 4, 0))]:
        y = convolve(np.zeros(x_shape), np.zeros(w_shape), (1, 1), "SAME", (1, 1))
        assert KernelCall(conv.conv2d, "Conv2D", [np.zeros(x_shape, np.float32), np.zeros(w_shape, np.float32)],
                          [(y.shape, np.float32)], asked("4x4", "SAME")).run()[0].shape == y.shape


def test_an_algorithm_that_does_not_exist():
    with pytest.raises(Unsupported, match="convolution algorithm '8x8'; there are auto, exact, 2x2 and 4x4"):
        KernelCall(conv.conv2d, "Conv2D", [numbers(1, 4, 4, 3), numbers(3, 3, 3, 4)], [((1, 4, 4, 4), np.float32)],
                   asked("8x8", "SAME"))


@pytest.mark.parametrize("channels, limits", [(64, {"exact": 8e-6, "2x2": 3e-6, "4x4": 1e-5}),
                                              (512, {"exact": 1e-5, "2x2": 8e-6, "4x4": 2e-5})])
def test_errors_stay_within_the_table_of_the_study(channels, limits):
    """The largest error over the root mean square of the result; oneDNN's direct sums: 4e-6 and 1.4e-5."""
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 16, 16, channels)).astype(np.float32)
    w = random.standard_normal((3, 3, channels, 32)).astype(np.float32)
    truth = convolve(x, w.astype(np.float64), (1, 1), "SAME", (1, 1))
    for algorithm, limit in limits.items():
        y, = KernelCall(conv.conv2d, "Conv2D", [x, w], [(truth.shape, np.float32)], asked(algorithm, "SAME")).run()
        assert np.max(np.abs(y - truth)) / np.sqrt(np.mean(truth ** 2)) < limit, algorithm


# --- sessions ------------------------------------------------------------------------------------------------------

def run_in_session(algorithm):
    random = np.random.default_rng(0)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [4, 28, 28, 64])
        w = tf.constant(random.standard_normal((3, 3, 64, 64)).astype(np.float32))
        y = tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")
        with tf.Session(config=tf.ConfigProto(convolution_algorithm=algorithm)) as session:
            return session.run(y, {x: random.standard_normal(x.shape.as_list())})


def test_a_session_chooses_the_algorithm():
    results = {algorithm: run_in_session(algorithm) for algorithm in ("auto", "exact", "2x2", "4x4")}
    assert len({results[algorithm].tobytes() for algorithm in ("exact", "2x2", "4x4")}) == 3
    np.testing.assert_array_equal(results["auto"], results["4x4"])
    np.testing.assert_allclose(results["4x4"], results["exact"], atol=1e-3)


def test_a_session_refuses_an_algorithm_that_does_not_exist():
    with pytest.raises(ValueError, match="(?s)no such convolution algorithm.*got +'fft'.*expected +'auto' or 'exact'"):
        run_in_session("fft")
