"""The formulas of optimizers in CUDA C: TensorFlow 1.15's, as cpu/c/optimizers_impl.h of core has them.

C is the type that is computed in. The letters of a step are its inputs in TensorFlow's order: v a variable or slot, h
a hyper-parameter (a scalar), g the gradient, n the global step (a scalar, int64).
"""
from typing import NamedTuple


class Step(NamedTuple):
    """One optimizer.

    Attributes
    ----------
    letters : str       of the inputs
    names : str         of the inputs
    formula : str       statements that change the slots of one element; they see all names, and `option`
    setup : str         statements ahead of all elements
    """

    letters: str
    names: str
    formula: str
    setup: str = ""


_FTRL = """
  const C a = accum + grad * grad;
  const C root = power == (C)-0.5 ? sqrt(a) : pow(a, -power);
  const C old_root = power == (C)-0.5 ? sqrt(accum) : pow(accum, -power);
  const C l = linear + (grad + 2 * shrink * var) - (root - old_root) / lr * var;
  const C inside = l > l1 ? l1 : l < -l1 ? -l1 : l;
  accum = a; linear = l;
  var = (inside - l) / (root / lr + 2 * l2);
"""

_MOMENTS = "const C m = mean + (grad - mean) * (1 - beta1); mean = m;"
_SIGN_MEAN = "mean = mean * beta + grad * (1 - beta); const C sign = agreement(grad, mean);"

STEPS = {
    "ApplyGradientDescent": Step("vhg", "var lr grad", "var -= grad * lr;"),
    "ApplyMomentum": Step("vvhgh", "var accum lr grad momentum", """
        accum = accum * momentum + grad;
        var -= option ? grad * lr + accum * momentum * lr : accum * lr;"""),
    "ApplyAdam": Step(
        "vvvhhhhhhg", "var mean square beta1_power beta2_power rate beta1 beta2 epsilon grad", _MOMENTS + """
        const C v = square + (grad * grad - square) * (1 - beta2); square = v;
        var -= (grad * now + m * past) * lr / (sqrt(v) + epsilon);""", """
        const C lr = rate * sqrt(1 - beta2_power) / (1 - beta1_power);
        const C now = option ? 1 - beta1 : 0, past = option ? beta1 : 1;       /* Nesterov looks ahead */"""),
    "ApplyAdaMax": Step(
        "vvvhhhhhg", "var mean largest beta1_power rate beta1 beta2 epsilon grad", _MOMENTS + """
        const C old = beta2 * largest, size = fabs(grad); largest = old > size ? old : size;
        var -= lr * (m / (largest + epsilon));""", "const C lr = rate / (1 - beta1_power);"),
    "ApplyAdagrad": Step("vvhg", "var accum lr grad", """
        accum += grad * grad * (option ? 1 : 0);
        var -= grad * lr / sqrt(accum);"""),
    "ApplyAdagradV2": Step("vvhhg", "var accum lr epsilon grad", """
        accum += grad * grad * (option ? 1 : 0);
        var -= grad * lr / (sqrt(accum) + epsilon);"""),
    "ApplyRMSProp": Step("vvvhhhhg", "var square moment lr rho momentum epsilon grad", """
        square += (grad * grad - square) * (1 - rho);
        moment = moment * momentum + grad * lr / sqrt(square + epsilon);
        var -= moment;"""),
    "ApplyCenteredRMSProp": Step("vvvvhhhhg", "var mean square moment lr rho momentum epsilon grad", """
        square += (grad * grad - square) * (1 - rho);
        mean += (grad - mean) * (1 - rho);
        moment = moment * momentum + grad * lr / sqrt(square - mean * mean + epsilon);
        var -= moment;"""),
    "ApplyAdadelta": Step("vvvhhhg", "var accum updates lr rho epsilon grad", """
        accum = accum * rho + grad * grad * (1 - rho);
        const C u = sqrt(updates + epsilon) / sqrt(accum + epsilon) * grad;
        updates = updates * rho + u * u * (1 - rho);
        var -= u * lr;"""),
    "ApplyFtrl": Step("vvvghhhh", "var accum linear grad lr l1 l2 power", _FTRL, "const C shrink = 0;"),
    "ApplyFtrlV2": Step("vvvghhhhh", "var accum linear grad lr l1 l2 shrink power", _FTRL),
    "ApplyAdagradDA": Step("vvvghhhn", "var sums squares grad lr l1 l2 steps", """
        sums += grad;
        squares += grad * grad;
        const C over = fabs(sums) - most;
        var = -lr * copysign(over > 0 ? over : (C)0, sums) / (l2 * steps * lr + sqrt(squares));""",
                           "const C most = (l1 > 0 ? l1 : 0) * steps;"),
    "ApplyAddSign": Step("vvhhhhg", "var mean lr alpha decay beta grad",
                         _SIGN_MEAN + "var -= lr * (alpha + decay * sign) * grad;"),
    "ApplyPowerSign": Step("vvhhhhg", "var mean lr log_base decay beta grad",
                           _SIGN_MEAN + "var -= (sign > 0 ? up : sign < 0 ? down : lr) * grad;",
                           "const C up = lr * exp(log_base * decay), down = lr * exp(-(log_base * decay));"),
    "ApplyProximalGradientDescent": Step("vhhhg", "var lr l1 l2 grad", "var = proximal(var - grad * lr, lr, l1, l2);"),
    "ApplyProximalAdagrad": Step("vvhhhg", "var accum lr l1 l2 grad", """
        accum += grad * grad;
        const C own = lr / sqrt(accum);
        var = proximal(var - grad * own, own, l1, l2);"""),
}

HELPERS = """
/* 1 where a and b have one sign, -1 where they differ, 0 where one is 0 */
__device__ inline C agreement(C a, C b) { return (C)(((a > 0) - (a < 0)) * ((b > 0) - (b < 0))); }
/* The point nearest to v under the penalties, for a step of length lr. */
__device__ inline C proximal(C v, C lr, C l1, C l2) {
  const C over = fabs(v) - lr * l1;
  return copysign(over > 0 ? over : (C)0, v) / (1 + l2 * lr);
}
"""
