"""What the tests of random numbers share: the value of a tensor by reference bodies alone, without a session."""
import numpy as np
import pytest

from thalweg.ops._philox import Generator


@pytest.fixture
def evaluate():
    """A function (tensor) -> value; the states of the random ops go on from call to call, as in one session."""
    generators = {}

    def run(tensor):
        return _value(tensor, {}, generators)
    return run


def _value(tensor, values, generators):
    """Computes each op that `tensor` needs once and keeps it in `values`."""
    if tensor not in values:
        op = tensor.op
        inputs = [_value(t, values, generators) for t in op.inputs]
        rng = None
        if op.declaration.is_random:
            rng = generators.setdefault(op.name, Generator.from_seeds(op.attrs["seed"], op.attrs["seed2"]))
        outputs = op.declaration.reference(inputs, op.attrs, rng)
        values.update(zip(op.outputs, map(np.asarray, outputs)))
    return values[tensor]
