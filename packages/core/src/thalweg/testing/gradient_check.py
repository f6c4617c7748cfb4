"""Gradients against differences: the first derivative, and the derivative of the gradient.

For outputs y of inputs x a weighted sum L = sum(w y) is differentiated along one random direction v: the gradient's
product with v against (L(x + h v) - L(x - h v)) / 2 h. Then the same for G = sum(u dL/dx), a function of x and of w.
"""
import numpy as np

from thalweg.autodiff import gradients
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.evaluate import Evaluator
from thalweg.ops import cast, complex, math, placeholder, reduction

# dtype -> step of the difference, tolerated relative error
_STEPS = {"float64": (1e-6, 1e-6), "float32": (1e-2, 2e-2), "complex128": (1e-6, 1e-6)}


class GradientError(AssertionError):
    """A gradient rule does not agree with the difference quotient."""


def _directions(rng, arrays, dtypes):
    return [rng.standard_normal(a.shape) + (1j * rng.standard_normal(a.shape) if d.is_complex else 0)
            for a, d in zip(arrays, dtypes)]


def _inner(a, b):
    """The real inner product, which for complex numbers is the one that gradients are defined by."""
    return float(np.sum(np.real(np.conj(a) * b)))


def _weighted(tensors, weights):
    """sum(w y), or the real part of sum(conj(w) y) for complex tensors: a real scalar."""
    total = [reduction.reduce_sum(complex.real(math.multiply(complex.conj(w), t))) for w, t in zip(weights, tensors)]
    return math.add_n([cast.cast(t, total[0].dtype) for t in total])


class Check:
    """Compares derivatives of tensors `ys` with respect to placeholders `xs`, which are fed with `arrays`.

    others : dict of the remaining feeds. evaluate(fetches, feeds) gives values; by default the reference bodies do.
    `worst` is the largest relative error seen.
    """

    def __init__(self, ys, xs, arrays, others, seed, evaluate=None):
        self.ys, self.xs, self.arrays, self.others = ys, xs, arrays, others
        self.evaluate = evaluate or (lambda fetches, feeds: Evaluator().run(fetches, feeds))
        self.rng = np.random.default_rng(seed)
        self.worst = 0.0
        self.step, self.tolerance = _STEPS[xs[0].dtype.name]

    def run(self, order=2):
        """Raises GradientError where a derivative up to `order` is wrong."""
        feeds = dict(zip(self.xs, self.arrays))
        values = self.evaluate(self.ys, {**feeds, **self.others})
        weights, w_arrays = self._weights(self.ys, values)
        found = gradients(self.ys, self.xs, grad_ys=weights)
        self._compare("the gradient", self.ys, weights, self.xs, self.arrays, found, dict(zip(weights, w_arrays)))
        if order < 2:
            return
        smooth = [(x, g) for x, g in zip(self.xs, found) if g is not None]
        if not smooth:
            return
        firsts = [convert_to_tensor(g) for _, g in smooth]
        first_values = self.evaluate(firsts, {**feeds, **dict(zip(weights, w_arrays)), **self.others})
        u, u_arrays = self._weights(firsts, first_values)
        xs, arrays = self.xs + weights, self.arrays + w_arrays
        second = gradients(firsts, xs, grad_ys=u)
        self._compare("the gradient of the gradient", firsts, u, xs, arrays, second, dict(zip(u, u_arrays)))

    def _weights(self, tensors, values):
        """Placeholders for the weights of tensors that have these values, and what to feed them with."""
        weights = [placeholder.placeholder(t.dtype.base_dtype, np.shape(v)) for t, v in zip(tensors, values)]
        return weights, [self.rng.uniform(0.5, 1.5, np.shape(v)) for v in values]

    def _compare(self, what, ys, weights, xs, arrays, found, weight_feeds):
        total = _weighted(ys, weights)
        directions = _directions(self.rng, arrays, [x.dtype for x in xs])
        feeds = {**self.others, **weight_feeds}

        def value(sign):
            moved = {x: a + sign * self.step * d for x, a, d in zip(xs, arrays, directions)}
            return float(np.real(self.evaluate(total, {**feeds, **moved})))
        difference = (value(1) - value(-1)) / (2 * self.step)
        slope, scale = 0.0, abs(value(0))
        for x, a, d, g in zip(xs, arrays, directions, found):
            if g is None:
                continue
            dx = np.asarray(self.evaluate(convert_to_tensor(g), {**feeds, **dict(zip(xs, arrays))}))
            if dx.shape != a.shape:
                raise GradientError(f"{what} has shape {dx.shape}, its input {x.name} {a.shape}")
            part = _inner(dx, d)
            slope, scale = slope + part, scale + abs(part)
        error = abs(slope - difference) / max(scale, abs(difference), 1.0)
        self.worst = max(self.worst, error)
        if not error <= self.tolerance:
            raise GradientError(f"{what} along a random direction is {slope:.9g}, the difference quotient "
                                f"{difference:.9g}: relative error {error:.2g}, at most {self.tolerance:g}")
