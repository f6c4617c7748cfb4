"""L4: gradients of what L3 has: the device's against the NumPy bodies', and against difference quotients."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.autodiff import gradients
from thalweg.framework import dtypes, errors
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.evaluate import Evaluator
from thalweg.framework.graph import Graph
from thalweg.testing.kit import each
from thalweg.testing.samples import cast
from thalweg.testing.table import check_close

from .test_l3_kernels import claimed_rows


def trainable(kit):
    """The claimed rows that have a gradient."""
    found = {}
    for name, case in claimed_rows(kit).items():
        if case.row.gradient and (case.dtype.is_floating or case.dtype.is_complex):
            with Graph().as_default():
                ys, places = case.row.smooth_parts(*case.row.build(case.dtype))
            if ys and places:
                found[name] = case
    return found


@each(trainable)
def test_gradients_are_those_of_the_bodies(kit, case):
    row, arrays = case.row, case.row.draw(case.dtype)
    with Graph().as_default(), tf.device(kit.place):
        feeds, outputs = row.build(case.dtype)
        ys, places = row.smooth_parts(feeds, outputs)
        rng = np.random.default_rng(1)
        values = Evaluator().run(ys, dict(zip(feeds, arrays)))
        weights = [tf.placeholder(y.dtype.base_dtype, np.shape(v)) for y, v in zip(ys, values)]
        arrays = arrays + [cast(rng.uniform(0.5, 1.5, np.shape(v)), w.dtype) for v, w in zip(values, weights)]
        try:
            slopes = gradients(ys, [feeds[k] for k in places], weights)
        except errors.DTypeError as error:
            pytest.skip(f"in {case.dtype.name} it has no gradient on any device: {str(error).splitlines()[0]}")
        found = [convert_to_tensor(g) for g in slopes if g is not None]
        feeds = feeds + weights
        expected = [np.asarray(v) for v in Evaluator().run(found, dict(zip(feeds, arrays)))]
        got = kit.run(found, feeds, arrays)
    factor = 4 * row.tolerance * kit.caps.tolerance(case.op_types, case.dtype)     # a few ops after each other
    for tensor, value, want in zip(found, got, expected):
        check_close(value, want, factor, f"the gradient {tensor.name} on {kit.place}")


def in_double(kit):
    """Difference quotients need 64 bits."""
    return {name: case for name, case in trainable(kit).items() if case.dtype in (dtypes.float64, dtypes.complex128)}


@each(in_double)
def test_gradients_are_the_slopes(kit, case):
    with Graph().as_default(), tf.device(kit.place), kit.session() as session:
        order = 2 if case.row.second and case.dtype is dtypes.float64 else 1
        case.row.differentiate(case.dtype, order, lambda fetches, feeds: session.run(fetches, feeds))
