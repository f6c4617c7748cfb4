"""Elementwise expressions: what a fused kernel computes for one element, as a list in single assignment."""
import functools
import re
from typing import NamedTuple

from ._conversions import conversion
from ._flags import FLAG
from ._formulas import ATTRIBUTES, BITS, CHECKS, COMPLEX, FLOATING, INTEGERS, SAME, formula
from ._functions import functions_for, is_slow, of_type
from .prelude import TYPES, ctype

_UNSIGNED = {1: "uint32", 2: "uint32", 4: "uint32", 8: "uint64", 16: "uint64"}      # bytes -> U
_BITS = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64", 16: "complex128"}       # bytes -> what is moved


class Step(NamedTuple):
    """One op.

    Attributes
    ----------
    op_type : str               with a formula, or "Cast"
    operands : tuple of int     k < n_in: input k; n_in + j: the result of step j
    dtype : int                 DataType number of the result
    checked : bool              it tells of wrong operands in a flag: what CHECKS says, or by its formula
    """

    op_type: str
    operands: tuple
    dtype: int
    checked: bool = False


class Expression(NamedTuple):
    """Inputs (DataType numbers), steps, and the numbers of the steps whose results are the outputs."""

    inputs: tuple
    steps: tuple
    results: tuple

    def dtype(self, slot):
        """The DataType number of an operand."""
        return self.inputs[slot] if slot < len(self.inputs) else self.steps[slot - len(self.inputs)].dtype

    @property
    def outputs(self):
        """The DataType numbers of the results."""
        return tuple(self.steps[j].dtype for j in self.results)

    @property
    def moves_bits(self):
        """Whether the one op passes elements on as they are, so that only their size matters."""
        return len(self.steps) == 1 and SAME.get(self.steps[0].op_type, self.steps[0].op_type) in BITS

    def storage(self, dtype):
        """The C type of an operand in memory."""
        kind = ctype(self.steps[0].op_type, dtype)
        return _BITS[kind.nbytes] if self.moves_bits and dtype != 10 else kind.storage

    @property
    def has_flag(self):
        """Whether a step is checked."""
        return any(step.checked for step in self.steps)

    def constants(self):
        """(number of the step, C type) for each step that has an attribute."""
        return [(j, self._constant_type(j)) for j, step in enumerate(self.steps) if step.op_type in ATTRIBUTES]

    def _constant_type(self, j):
        dtype = self.dtype(self.steps[j].operands[0])
        return TYPES[dtype].compute if dtype in FLOATING else "double"


def same_expression(expression):
    """The expression with ops replaced by those that share their formulas: it has the same text."""
    steps = tuple(step._replace(op_type=SAME.get(step.op_type, step.op_type)) for step in expression.steps)
    return expression._replace(steps=steps)


@functools.lru_cache(maxsize=1000)
def element_function(expression):
    """The device function `element(x0, ..., k, ..., flag, &y0, ...)` with what it calls; and whether it is slow."""
    body, n_in = [], len(expression.inputs)
    load = "x{0}" if expression.moves_bits else "load(x{0})"
    for k, dtype in enumerate(expression.inputs):
        kind = expression.storage(dtype) if expression.moves_bits else ctype("an input", dtype).compute
        body.append(f"{kind} v{k} = {load.format(k)};")
    for j, step in enumerate(expression.steps):
        body += [_check(expression, step)] if step.checked and step.op_type in CHECKS else []
        body.append(f"const {_result_type(expression, step)} v{n_in + j} = {_step(expression, j)};")
    for number, j in enumerate(expression.results):
        body.append(f"y{number} = v{n_in + j};" if expression.moves_bits else f"store(&y{number}, v{n_in + j});")
    parameters = [f"{expression.storage(d)} x{k}" for k, d in enumerate(expression.inputs)]
    parameters += [f"{kind} k{j}" for j, kind in expression.constants()]
    parameters += ["int64* flag"] if expression.has_flag else []
    parameters += [f"{expression.storage(d)}& y{number}" for number, d in enumerate(expression.outputs)]
    text = "\n  ".join([f"__device__ inline void element({', '.join(parameters)}) {{", *body]) + "\n}\n"
    return (FLAG if expression.has_flag else "") + functions_for(text) + text, is_slow(text)


def _check(expression, step):
    """The statement that tells of a wrong operand and puts another in its place."""
    number, wrong, instead, _ = CHECKS[step.op_type]
    value = f"v{step.operands[number]}"
    return f"if ({value} {wrong}) {{ claim(flag, 1); {value} = {instead}; }}"


def _result_type(expression, step):
    return expression.storage(step.dtype) if expression.moves_bits else ctype(step.op_type, step.dtype).compute


def _step(expression, j):
    """The formula of a step with its names filled in."""
    step = expression.steps[j]
    dtype = expression.dtype(step.operands[-1])
    kind = ctype(step.op_type, dtype)
    if step.op_type.startswith("Cast"):
        text = conversion(dtype, step.dtype, truncate=step.op_type == "CastTruncated")
    else:
        text = formula(step.op_type, dtype)
    text = of_type(text, dtype in FLOATING and kind.compute == "float")
    names = {name: f"v{slot}" for name, slot in zip("abc", step.operands)}
    names |= {"k": f"k{j}", "T": kind.compute, "U": _UNSIGNED[kind.nbytes],
              "R": ctype(step.op_type, step.dtype).compute}
    return re.sub(r"\b[abckTUR]\b", lambda match: names.get(match[0], match[0]), text)


assert FLOATING | INTEGERS | COMPLEX | {10} == TYPES.keys()
