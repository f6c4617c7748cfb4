"""Runs one kernel without a graph: operands that end at protected pages, threads in several orders."""
import numpy as np
from standin import emulator

from thalweg.devices.core_api import KernelRequest
from thalweg.framework.dtypes import as_dtype
from thalweg_cuda import kernels
from thalweg_cuda.work import Target

from .emulated import Bound

ORDERS = ("forward", "reversed", "shuffled:1")


def run(op_type, inputs, outputs, attrs=None, constants=(), orders=ORDERS, target=None, dtypes=None, rng=None):
    """The outputs of one op, the same in every order of threads.

    Parameters
    ----------
    inputs : list of arrays             copied; what the kernel writes to a variable among them is seen in the outputs
    outputs : list of (shape, dtype)
    constants : numbers of the inputs whose values are known when the kernel is prepared
    dtypes : list                       of the inputs, where they are not those of the arrays (bfloat16 as uint16)
    """
    request = KernelRequest(op_type, attrs or {}, [np.shape(a) for a in inputs], [shape for shape, _ in outputs],
                            dtypes or [as_dtype(np.asarray(a).dtype) for a in inputs],
                            [as_dtype(dtype) for _, dtype in outputs],
                            {k: np.asarray(inputs[k]) for k in constants})
    work = kernels.prepare(request, target or Target())
    results = []
    for order in orders:
        ins = [_guarded(np.asarray(a)) for a in inputs]
        outs = [_guarded(np.empty(shape, as_dtype(dtype).np)) for shape, dtype in outputs]
        for k in request.ref_inputs[:len(outs)]:
            outs[k] = ins[k]
        Bound(work, op_type, order)(ins, outs, **({} if rng is None else {"rng": rng()}))
        results.append([*outs, *[ins[k] for k in request.ref_inputs[len(outs):]]])
    for other in results[1:]:
        for first, second in zip(results[0], other):
            np.testing.assert_array_equal(first, second, f"{op_type}: the order of threads changes the result")
    return results[0]


def _guarded(array):
    return emulator.guarded(array, 16) if array.size else array.copy()
