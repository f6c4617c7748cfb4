"""Assignments and optimizer steps against NumPy in float64: values, slots, rows, threads, errors."""
import numpy as np
import pytest

from thalweg.cpu import optimizers
from thalweg.cpu._request import Unsupported
from thalweg.framework.errors import InvalidArgumentError
from thalweg.testing.kernel_call import call_kernel

RNG = np.random.default_rng(5)


def gradient_descent(v, lr, g):
    return [v - lr * g]


def momentum(v, a, lr, g, m, use_nesterov=False):
    a = a * m + g
    return [v - (g * lr + a * m * lr if use_nesterov else a * lr), a]


def adam(v, m, s, b1p, b2p, lr, b1, b2, eps, g, use_nesterov=False):
    lr = lr * np.sqrt(1 - b2p) / (1 - b1p)
    m, s = m + (g - m) * (1 - b1), s + (g * g - s) * (1 - b2)
    return [v - lr * (g * (1 - b1) + b1 * m if use_nesterov else m) / (np.sqrt(s) + eps), m, s]


def ada_max(v, m, s, b1p, lr, b1, b2, eps, g):
    m, s = m + (g - m) * (1 - b1), np.maximum(b2 * s, abs(g))
    return [v - lr / (1 - b1p) * m / (s + eps), m, s]


def adagrad(v, a, lr, g, update_slots=True):
    a = a + g * g if update_slots else a
    return [v - lr * g / np.sqrt(a), a]


def adagrad_v2(v, a, lr, eps, g, update_slots=True):
    a = a + g * g if update_slots else a
    return [v - lr * g / (np.sqrt(a) + eps), a]


def rms_prop(v, s, mom, lr, rho, momentum, eps, g):
    s = s + (g * g - s) * (1 - rho)
    mom = momentum * mom + lr * g / np.sqrt(s + eps)
    return [v - mom, s, mom]


def centered_rms_prop(v, c, s, mom, lr, rho, momentum, eps, g):
    c, s = c + (g - c) * (1 - rho), s + (g * g - s) * (1 - rho)
    mom = momentum * mom + lr * g / np.sqrt(s - c * c + eps)
    return [v - mom, c, s, mom]


def adadelta(v, a, u, lr, rho, eps, g):
    a = a * rho + g * g * (1 - rho)
    step = np.sqrt(u + eps) / np.sqrt(a + eps) * g
    return [v - lr * step, a, u * rho + step * step * (1 - rho)]


def ftrl(v, a, z, g, lr, l1, l2, power):
    return ftrl_v2(v, a, z, g, lr, l1, l2, 0, power)


def ftrl_v2(v, a, z, g, lr, l1, l2, shrink, power):
    new = a + g * g
    z = z + g + 2 * shrink * v - (new ** -power - a ** -power) / lr * v
    return [np.where(abs(z) > l1, (l1 * np.sign(z) - z) / (new ** -power / lr + 2 * l2), 0), new, z]


def proximal(v, lr, l1, l2):
    return np.sign(v) * np.maximum(abs(v) - lr * l1, 0) / (1 + l2 * lr)


def proximal_gradient_descent(v, lr, l1, l2, g):
    return [proximal(v - lr * g, lr, l1, l2)]


def proximal_adagrad(v, a, lr, l1, l2, g):
    a = a + g * g
    return [proximal(v - lr / np.sqrt(a) * g, lr / np.sqrt(a), l1, l2), a]


def adagrad_da(v, sums, squares, g, lr, l1, l2, step):
    sums, squares = sums + g, squares + g * g
    return [-lr * np.sign(sums) * np.maximum(abs(sums) - l1 * step, 0) / (l2 * step * lr + np.sqrt(squares)),
            sums, squares]


def add_sign(v, m, lr, alpha, decay, beta, g):
    m = m * beta + g * (1 - beta)
    return [v - lr * (alpha + decay * np.sign(g) * np.sign(m)) * g, m]


def power_sign(v, m, lr, log_base, decay, beta, g):
    m = m * beta + g * (1 - beta)
    return [v - lr * np.exp(log_base * decay * np.sign(g) * np.sign(m)) * g, m]


# op, formula, inputs (v variable, s slot > 0, g gradient, or a number), attributes
STEPS = [
    ("ApplyGradientDescent", gradient_descent, ["v", 0.1, "g"], {}),
    ("ApplyMomentum", momentum, ["v", "s", 0.1, "g", 0.9], {"use_nesterov": False}),
    ("ApplyMomentum", momentum, ["v", "s", 0.1, "g", 0.9], {"use_nesterov": True}),
    ("ApplyAdam", adam, ["v", "s", "s", 0.9, 0.99, 0.1, 0.9, 0.99, 1e-3, "g"], {"use_nesterov": False}),
    ("ApplyAdam", adam, ["v", "s", "s", 0.9, 0.99, 0.1, 0.9, 0.99, 1e-3, "g"], {"use_nesterov": True}),
    ("ApplyAdaMax", ada_max, ["v", "s", "s", 0.9, 0.1, 0.9, 0.99, 1e-3, "g"], {}),
    ("ApplyAdagrad", adagrad, ["v", "s", 0.1, "g"], {"update_slots": True}),
    ("ApplyAdagrad", adagrad, ["v", "s", 0.1, "g"], {"update_slots": False}),
    ("ApplyAdagradV2", adagrad_v2, ["v", "s", 0.1, 1e-2, "g"], {"update_slots": True}),
    ("ApplyRMSProp", rms_prop, ["v", "s", "s", 0.1, 0.9, 0.8, 1e-3, "g"], {}),
    ("ApplyCenteredRMSProp", centered_rms_prop, ["v", 0.01, "s", "s", 0.1, 0.9, 0.8, 1.0, "g"], {}),
    ("ApplyAdadelta", adadelta, ["v", "s", "s", 0.1, 0.9, 1e-3, "g"], {}),
    ("ApplyFtrl", ftrl, ["v", "s", "v", "g", 0.1, 0.5, 0.2, -0.5], {}),
    ("ApplyFtrl", ftrl, ["v", "s", "v", "g", 0.1, 0.5, 0.2, -0.7], {}),
    ("ApplyFtrlV2", ftrl_v2, ["v", "s", "v", "g", 0.1, 0.5, 0.2, 0.3, -0.5], {}),
    ("ApplyProximalGradientDescent", proximal_gradient_descent, ["v", 0.1, 0.5, 0.2, "g"], {}),
    ("ApplyProximalAdagrad", proximal_adagrad, ["v", "s", 0.1, 0.5, 0.2, "g"], {}),
    ("ApplyAdagradDA", adagrad_da, ["v", "v", "s", "g", 0.1, 0.2, 0.3, 3], {}),
    ("ApplyAddSign", add_sign, ["v", "v", 0.1, 1.0, 0.5, 0.9, "g"], {}),
    ("ApplyPowerSign", power_sign, ["v", "v", 0.1, 1.0, 0.5, 0.9, "g"], {}),
]
# ApplyCenteredRMSProp's first slot is a mean: small, so that the variance stays positive.
N_SLOTS = {gradient_descent: 0, momentum: 1, adagrad: 1, adagrad_v2: 1, proximal_gradient_descent: 0,
           proximal_adagrad: 1, centered_rms_prop: 3, add_sign: 1, power_sign: 1}


def operands(formula, inputs, shape, dtype, of_gradient=None):
    made = []
    for k, kind in enumerate(inputs):
        if kind == "g":
            x = RNG.normal(0, 1, shape if of_gradient is None else of_gradient)
        elif kind == "v":
            x = RNG.normal(0, 1, shape)
        elif kind == "s":
            x = RNG.uniform(0.1, 2, shape)
        else:
            x = np.full(shape, kind) if 1 <= k <= N_SLOTS.get(formula, 2) else np.float64(kind)
        made.append(np.asarray(x, np.int64 if isinstance(kind, int) else dtype))     # a global step is int64
    return made


def wide(arrays):
    return [a.astype(np.float64) for a in arrays]


def close(got, want, dtype):
    for g, w in zip(got, want):
        rtol, atol = (2e-5, 1e-5) if dtype == np.float32 else (1e-12, 1e-12)
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op, formula, inputs, attrs", STEPS, ids=lambda v: v if isinstance(v, str) else "")
def test_step(op, formula, inputs, attrs, dtype):
    for shape, threads in (((), 1), ((7,), 1), ((3, 5), 1), ((0, 2), 1), ((70001,), 2)):
        x = operands(formula, inputs, shape, dtype)
        want = formula(*wide(x), **attrs)
        y, = call_kernel(optimizers.apply, op, x, [x[0]], attrs, threads=threads)
        assert y is x[0]
        close(x, want, dtype)


def test_threads_do_not_change_bits():
    for op, formula, inputs, attrs in STEPS:
        x = operands(formula, inputs, (100_003,), np.float32)
        copies = [a.copy() for a in x]
        call_kernel(optimizers.apply, op, x, [x[0]], attrs, threads=1)
        call_kernel(optimizers.apply, op, copies, [copies[0]], attrs, threads=3)
        assert [a.tobytes() for a in x] == [a.tobytes() for a in copies], op


def test_gradient_that_is_the_variable_itself():
    v = np.arange(1000, dtype=np.float32)
    call_kernel(optimizers.apply, "ApplyGradientDescent", [v, np.float32(0.25), v], [v])
    np.testing.assert_array_equal(v, np.arange(1000, dtype=np.float32) * 0.75)


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("op, formula, inputs, attrs", [s for s in STEPS if s[0][5:] not in (
    "GradientDescent", "Adam", "AdaMax", "AddSign", "PowerSign")], ids=lambda v: v if isinstance(v, str) else "")
def test_sparse_step(op, formula, inputs, attrs, index_dtype):
    for shape in ((6, 3), (6,), (6, 2, 40)):
        indices = np.array([4, 0, 5, 0], index_dtype)
        x = operands(formula, inputs, shape, np.float32, (4, *shape[1:]))
        gradient = inputs.index("g")
        want = wide(x)
        n_slots = N_SLOTS.get(formula, 2)
        for i, row in enumerate(indices):
            of_row = [a[row] if k <= n_slots else a[i] if k == gradient else a for k, a in enumerate(want)]
            for a, new in zip(want, formula(*of_row, **attrs)):
                a[row] = new
        call_kernel(optimizers.apply, "Sparse" + op, [*x[:gradient + 1], indices, *x[gradient + 1:]], [x[0]], attrs)
        close(x[:n_slots + 1], want, np.float32)


def test_sparse_step_out_of_range():
    v, g = np.ones((3, 2), np.float32), np.ones((2, 2), np.float32)
    inputs = [v, v.copy(), np.float32(1), g, np.array([0, 5]), np.float32(0.9)]
    with pytest.raises(InvalidArgumentError, match="^Index 5 at offset 1 in indices is out of range$"):
        call_kernel(optimizers.apply, "SparseApplyMomentum", inputs, [v], {"use_nesterov": False})


def test_wrong_shapes():
    v = np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"operand 2 has shape \(4,\), expected \(3,\)"):
        call_kernel(optimizers.apply, "ApplyGradientDescent", [v, np.float32(1), np.ones(4, np.float32)], [v])
    with pytest.raises(ValueError, match=r"operand 1 has shape \(1,\), expected \(\)"):
        call_kernel(optimizers.apply, "ApplyGradientDescent", [v, np.ones(1, np.float32), v], [v])
    with pytest.raises(Unsupported, match="has no step for DataType 3"):
        v = np.ones(3, np.int32)
        call_kernel(optimizers.apply, "ApplyGradientDescent", [v, np.int32(1), v], [v])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "uint8", "float16", "complex128"])
def test_assign(dtype):
    for shape in ((), (5,), (300, 1000), (0, 3)):
        value, ref = RNG.integers(0, 2, shape).astype(dtype), np.zeros(shape, dtype)
        call_kernel(optimizers.assign, "Assign", [ref, value], [ref], threads=2)
        np.testing.assert_array_equal(ref, value)
    call_kernel(optimizers.assign, "Assign", [ref, ref], [ref])
    with pytest.raises(ValueError, match=r"a value of shape \(4,\) for a variable of shape \(0, 3\)"):
        call_kernel(optimizers.assign, "Assign", [ref, np.zeros(4, dtype)], [ref])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_assign_add_and_sub(dtype):
    for shape in ((), (5,), (300, 1000), (0, 3)):
        for op, f in (("AssignAdd", np.add), ("AssignSub", np.subtract)):
            value, ref = [RNG.integers(-5, 5, shape).astype(dtype) for _ in "vr"]
            want = f(ref, value)
            prepare = optimizers.assign_add if op == "AssignAdd" else optimizers.assign_sub
            call_kernel(prepare, op, [ref, value], [ref], threads=2)
            np.testing.assert_array_equal(ref, want)
