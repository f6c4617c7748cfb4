"""One op, run by its kernel alone, against its reference body."""
import numpy as np

from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import as_dtype

from .direct import ORDERS, run

# relative to the largest element
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-12, "complex64": 4e-6, "complex128": 1e-12}


def compare(op_type, inputs, attrs, values=None, factor=1.0, orders=ORDERS, target=None):
    """AssertionError where a kernel's outputs differ from the reference body's by more than `factor` tolerances.

    `values`: numbers of the inputs that are constants of the plan. Every attribute of the op has to be given.
    """
    want = REGISTRY[op_type].reference([np.asarray(a) for a in inputs], attrs)
    values = {k: np.asarray(inputs[k]) for k in values or ()}
    got = run(op_type, inputs, [(np.shape(w), as_dtype(np.asarray(w).dtype)) for w in want], attrs, values, orders,
              target)
    for k, (found, wanted) in enumerate(zip(got, want)):
        close(found, np.asarray(wanted), factor, f"{op_type}, output {k}")
    return got


def close(got, want, factor=1.0, what=""):
    """AssertionError where they differ by more than `factor` tolerances of the largest element."""
    if want.dtype.name not in TOLERANCE:
        np.testing.assert_array_equal(got, want, what)
        return
    tolerance = factor * TOLERANCE[want.dtype.name]
    finite = np.abs(want[np.isfinite(want)])
    scale = float(finite.max()) if finite.size else 0.0
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(got.astype(wide), want.astype(wide), tolerance, tolerance * scale, err_msg=what)
