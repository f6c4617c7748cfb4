"""The steps of optimizers: ops that write a variable and its slots in place.

A formula below says one step for all elements; dense ops apply it to the whole variable, sparse ones to the rows that
`indices` names, one after the other, so that an index that occurs twice is stepped twice. Bodies write the slots where
they are and give the variable's new value. They compute in float64 and round once.
"""
import inspect

import numpy as np

from thalweg.framework import shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import NUMBERS

from ._reference import snake
from .indexing import _checked

_WRITES = "it changes a variable; what flows out of a variable is what was read from it"


# --- formulas: values in, the variable's and the slots' new values out ---------------------------------

def _gradient_descent(var, alpha, delta):
    """var -= alpha delta."""
    return (var - alpha * delta,)


def _momentum(var, accum, lr, grad, momentum, use_nesterov):
    """accum = momentum accum + grad; var -= lr accum, with Nesterov's look ahead var -= lr (grad + momentum accum)."""
    accum = accum * momentum + grad
    return var - lr * (grad + momentum * accum if use_nesterov else accum), accum


def _adam(var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad, use_nesterov):
    """arXiv:1412.6980, section 2, the last paragraph's order: epsilon is added to sqrt(v) before bias correction."""
    step = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    direction = grad * (1 - beta1) + beta1 * m if use_nesterov else m
    return var - step * direction / (np.sqrt(v) + epsilon), m, v


def _ada_max(var, m, v, beta1_power, lr, beta1, beta2, epsilon, grad):
    """arXiv:1412.6980, algorithm 2: v is the decayed maximum of |grad|."""
    m = m + (grad - m) * (1 - beta1)
    v = np.maximum(beta2 * v, np.abs(grad))
    return var - lr / (1 - beta1_power) * m / (v + epsilon), m, v


def _adagrad(var, accum, lr, grad, update_slots):
    """accum += grad^2; var -= lr grad / sqrt(accum)."""
    accum = accum + grad * grad if update_slots else accum
    return var - lr * grad / np.sqrt(accum), accum


def _adagrad_v2(var, accum, lr, epsilon, grad, update_slots):
    """accum += grad^2; var -= lr grad / (sqrt(accum) + epsilon)."""
    accum = accum + grad * grad if update_slots else accum
    return var - lr * grad / (np.sqrt(accum) + epsilon), accum


def _rms_prop(var, ms, mom, lr, rho, momentum, epsilon, grad):
    """ms: decayed mean of grad^2; mom = momentum mom + lr grad / sqrt(ms + epsilon); var -= mom."""
    ms = ms + (grad * grad - ms) * (1 - rho)
    mom = momentum * mom + lr * grad / np.sqrt(ms + epsilon)
    return var - mom, ms, mom


def _centered_rms_prop(var, mg, ms, mom, lr, rho, momentum, epsilon, grad):
    """As RMSProp, with the variance ms - mg^2 of the gradient in place of its mean square."""
    ms = ms + (grad * grad - ms) * (1 - rho)
    mg = mg + (grad - mg) * (1 - rho)
    mom = momentum * mom + lr * grad / np.sqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


def _adadelta(var, accum, accum_update, lr, rho, epsilon, grad):
    """arXiv:1212.5701, algorithm 1, its step times lr."""
    accum = rho * accum + (1 - rho) * grad * grad
    update = np.sqrt(accum_update + epsilon) / np.sqrt(accum + epsilon) * grad
    return var - lr * update, accum, rho * accum_update + (1 - rho) * update * update


def _ftrl(var, accum, linear, grad, lr, l1, l2, lr_power):
    """Follow the regularized leader: McMahan et al., "Ad click prediction", KDD 2013, algorithm 1."""
    return _ftrl_step(var, accum, linear, grad, grad, lr, l1, l2, lr_power)


def _ftrl_v2(var, accum, linear, grad, lr, l1, l2, l2_shrinkage, lr_power):
    """FTRL with a penalty 2 l2_shrinkage var that adds to the gradient, but not to what accum sums."""
    return _ftrl_step(var, accum, linear, grad, grad + 2 * l2_shrinkage * var, lr, l1, l2, lr_power)


def _ftrl_step(var, accum, linear, grad, pull, lr, l1, l2, lr_power):
    total = accum + grad * grad
    linear = linear + pull - (total ** -lr_power - accum ** -lr_power) / lr * var
    strength = total ** -lr_power / lr + 2 * l2
    return np.where(np.abs(linear) > l1, (l1 * np.sign(linear) - linear) / strength, 0), total, linear


def _shrunk(value, threshold):
    """value, moved towards 0 by the threshold, but not past it."""
    return np.sign(value) * np.maximum(np.abs(value) - threshold, 0)


def _proximal_gradient_descent(var, alpha, l1, l2, delta):
    """A gradient step, then the proximal step of l1 |var| + l2 var^2 / 2."""
    return (_shrunk(var - alpha * delta, alpha * max(l1, 0)) / (1 + l2 * alpha),)


def _proximal_adagrad(var, accum, lr, l1, l2, grad):
    """An Adagrad step, then the proximal step of l1 |var| + l2 var^2 / 2 with the same rate."""
    accum = accum + grad * grad
    rate = lr / np.sqrt(accum)
    return _shrunk(var - rate * grad, rate * max(l1, 0)) / (1 + l2 * rate), accum


def _adagrad_da(var, gradient_accumulator, gradient_squared_accumulator, grad, lr, l1, l2, global_step):
    """Dual averaging: var from the sums of all gradients and of their squares, shrunk by l1 global_step."""
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + grad * grad
    pull = _shrunk(total, max(l1, 0) * global_step)
    return -lr * pull / (l2 * global_step * lr + np.sqrt(squares)), total, squares


def _add_sign(var, m, lr, alpha, sign_decay, beta, grad):
    """arXiv:1709.07417: the step grows where the gradient agrees in sign with its running mean."""
    m = m * beta + grad * (1 - beta)
    return var - lr * (alpha + sign_decay * np.sign(grad) * np.sign(m)) * grad, m


def _power_sign(var, m, lr, logbase, sign_decay, beta, grad):
    """arXiv:1709.07417: as AddSign, with a power in place of the sum."""
    m = m * beta + grad * (1 - beta)
    return var - lr * np.exp(logbase * sign_decay * np.sign(grad) * np.sign(m)) * grad, m


# --- declarations -----------------------------------------------------------------------------------

def _wide(value):
    return value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)


def _stepped(formula, n_refs, values, flags):
    """Applies a formula and writes the slots; gives the variable's new value."""
    found = formula(*map(_wide, values), **flags)
    for slot, new in zip(values[1:n_refs], found[1:]):
        slot[...] = new
    return found[0].astype(values[0].dtype)


def _rows_stepped(formula, n_refs, values, place, flags):
    """Applies a formula to one row after the other; `place` is that of `indices` among the values."""
    values = list(values)
    indices, var = values.pop(place), values[0]
    _checked(indices, var.shape[0])
    grad = place - 1
    for row, index in enumerate(indices):
        own = [v[index:index + 1] for v in values[:n_refs]] + values[n_refs:]
        own[grad] = values[grad][row:row + 1]
        var[index:index + 1] = _stepped(formula, n_refs, own, flags)
    return var


def _declare(name, refs, inputs, formula, **flags):
    """Declares an optimizer's step: `refs` and `inputs` in TensorFlow's order, `flags` attributes of the formula."""
    refs, inputs = refs.split(), inputs.split()
    is_sparse = "indices" in inputs
    place = len(refs) + inputs.index("indices") if is_sparse else None

    def body(*values, use_locking=False, **chosen):
        if is_sparse:
            return _rows_stepped(formula, len(refs), values, place, chosen)
        return _stepped(formula, len(refs), values, chosen)
    body.__name__ = body.__qualname__ = snake(name)
    body.__doc__ = formula.__doc__
    body.__signature__ = inspect.Signature([
        *(inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in refs + inputs),
        *(inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=bool)
          for n, d in {"use_locking": False, **flags}.items())])
    signature = ", ".join([f"{r}: T&" for r in refs] + [f"{i}: {_TYPES.get(i, 'T[]')}" for i in inputs])
    declaration = define_op(name, signature + " -> out: T&", T=NUMBERS, Tindices=INDEX_TYPES, stateful=True,
                            cpu=f"optimizers:{snake(name)}")(body)
    declaration.shape(_sparse_shape(len(refs), place) if is_sparse else _dense_shape(refs + inputs, len(refs)))
    declaration.no_gradient(_WRITES)
    return declaration


_TYPES = {"grad": "T", "delta": "T", "indices": "Tindices", "global_step": "int64[]"}


def _dense_shape(names, n_refs):
    """Shape rule: the variable, its slots and the gradient have one shape."""
    whole = [i for i, name in enumerate(names) if i < n_refs or _TYPES.get(name) == "T"]

    def rule(node, *found):
        result = None
        for i in whole:
            result = shapes.merge(result, found[i])
        return result
    return rule


def _sparse_shape(n_refs, place):
    def rule(node, *found):
        var, grad, indices = found[0], found[place - 1], found[place]
        for slot in found[1:n_refs]:
            var = shapes.merge(var, slot)
        if var is not None and grad is not None and indices is not None:
            shapes.merge(grad, indices + var[1:])
        return var
    return rule


apply_gradient_descent = _declare("ApplyGradientDescent", "var", "alpha delta", _gradient_descent)
apply_momentum = _declare("ApplyMomentum", "var accum", "lr grad momentum", _momentum, use_nesterov=False)
apply_adam = _declare("ApplyAdam", "var m v", "beta1_power beta2_power lr beta1 beta2 epsilon grad", _adam,
                      use_nesterov=False)
apply_ada_max = _declare("ApplyAdaMax", "var m v", "beta1_power lr beta1 beta2 epsilon grad", _ada_max)
apply_adagrad = _declare("ApplyAdagrad", "var accum", "lr grad", _adagrad, update_slots=True)
apply_adagrad_v2 = _declare("ApplyAdagradV2", "var accum", "lr epsilon grad", _adagrad_v2, update_slots=True)
apply_rms_prop = _declare("ApplyRMSProp", "var ms mom", "lr rho momentum epsilon grad", _rms_prop)
apply_centered_rms_prop = _declare("ApplyCenteredRMSProp", "var mg ms mom", "lr rho momentum epsilon grad",
                                   _centered_rms_prop)
apply_adadelta = _declare("ApplyAdadelta", "var accum accum_update", "lr rho epsilon grad", _adadelta)
apply_ftrl = _declare("ApplyFtrl", "var accum linear", "grad lr l1 l2 lr_power", _ftrl)
apply_ftrl_v2 = _declare("ApplyFtrlV2", "var accum linear", "grad lr l1 l2 l2_shrinkage lr_power", _ftrl_v2)
apply_proximal_gradient_descent = _declare("ApplyProximalGradientDescent", "var", "alpha l1 l2 delta",
                                           _proximal_gradient_descent)
apply_proximal_adagrad = _declare("ApplyProximalAdagrad", "var accum", "lr l1 l2 grad", _proximal_adagrad)
apply_adagrad_da = _declare("ApplyAdagradDA", "var gradient_accumulator gradient_squared_accumulator",
                            "grad lr l1 l2 global_step", _adagrad_da)
apply_add_sign = _declare("ApplyAddSign", "var m", "lr alpha sign_decay beta grad", _add_sign)
apply_power_sign = _declare("ApplyPowerSign", "var m", "lr logbase sign_decay beta grad", _power_sign)

sparse_apply_momentum = _declare("SparseApplyMomentum", "var accum", "lr grad indices momentum", _momentum,
                                 use_nesterov=False)
sparse_apply_adagrad = _declare("SparseApplyAdagrad", "var accum", "lr grad indices", _adagrad, update_slots=True)
sparse_apply_adagrad_v2 = _declare("SparseApplyAdagradV2", "var accum", "lr epsilon grad indices", _adagrad_v2,
                                   update_slots=True)
sparse_apply_rms_prop = _declare("SparseApplyRMSProp", "var ms mom", "lr rho momentum epsilon grad indices", _rms_prop)
sparse_apply_centered_rms_prop = _declare("SparseApplyCenteredRMSProp", "var mg ms mom",
                                          "lr rho momentum epsilon grad indices", _centered_rms_prop)
sparse_apply_adadelta = _declare("SparseApplyAdadelta", "var accum accum_update", "lr rho epsilon grad indices",
                                 _adadelta)
sparse_apply_ftrl = _declare("SparseApplyFtrl", "var accum linear", "grad indices lr l1 l2 lr_power", _ftrl)
sparse_apply_ftrl_v2 = _declare("SparseApplyFtrlV2", "var accum linear", "grad indices lr l1 l2 l2_shrinkage lr_power",
                                _ftrl_v2)
sparse_apply_proximal_gradient_descent = _declare("SparseApplyProximalGradientDescent", "var",
                                                  "alpha l1 l2 grad indices", _proximal_gradient_descent)
sparse_apply_proximal_adagrad = _declare("SparseApplyProximalAdagrad", "var accum", "lr l1 l2 grad indices",
                                         _proximal_adagrad)
sparse_apply_adagrad_da = _declare("SparseApplyAdagradDA", "var gradient_accumulator gradient_squared_accumulator",
                                   "grad indices lr l1 l2 global_step", _adagrad_da)
