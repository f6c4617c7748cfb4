"""Walks a graph from inputs to outputs and writes each op by its converter; keeps images in the form they come in.

TensorFlow's images have their channels last, ONNX's convolutions want them first. A value is kept in the form in
which it was made; the other form is made by one Transpose when somebody asks for it. Ops that work on either form
take the one that is there, so that transposes stand only where a network begins and ends.
"""
import numpy as np

from thalweg.framework import errors, shapes

from .model import Model, type_number

CONVERTERS: dict = {}                    # op type -> function (Exporter, Operation)
_LARGEST_FOLDED = 1 << 24                # elements of a result that is computed while exporting
_STORAGE = ("VariableV2", "Variable", "VarHandleOp")


def converts(*op_types):
    """Registers a function (exporter, op) as the converter of `op_types`."""
    def register(function):
        for op_type in op_types:
            CONVERTERS[op_type] = function
        return function
    return register


def channels_first_axes(rank):
    """The permutation that moves the last axis to place 1."""
    return [0, rank - 1, *range(1, rank - 1)]


def channels_last_axes(rank):
    """The permutation that moves axis 1 to the end."""
    return [0, *range(2, rank), 1]


class _Value:
    """Where a tensor of the graph is in the model: names of its forms, or the array that it is."""

    __slots__ = ("array", "plain", "first")

    def __init__(self, array=None, plain=None, first=None):
        self.array, self.plain, self.first = array, plain, first


class Exporter:
    """Writes the ops of one graph.

    Parameters
    ----------
    values : dict           {name of a variable: array}
    operation_at_user : callable (name) -> Operation or None      whose line errors name
    """

    def __init__(self, values, operation_at_user=lambda name: None):
        self.model, self._values, self._at_user = Model(), values, operation_at_user
        self._tensors: dict = {}
        self._consumers: dict = {}
        self._op = None

    # --- the walk -------------------------------------------------------------------------------------

    def export(self, inputs, outputs, input_names, output_names):
        """Fills the model with what lies between tensors `inputs` and `outputs`."""
        for tensor, name in zip(inputs, input_names):
            self.model.add_input(name, tensor.dtype, tensor._shape)
            self._tensors[tensor] = _Value(plain=name)
        output_names = [self.model.unique(name) for name in output_names]          # nodes inside keep away from them
        operations = self._needed(inputs, outputs)
        self._remember_consumers(operations, outputs)
        self._check_all_known(operations)
        for self._op in operations:
            self._convert(self._op)
        for tensor, name in zip(outputs, output_names):
            self._add_output(tensor, name)
        return self.model

    def _needed(self, inputs, outputs):
        """The ops between, each after those that it takes from."""
        given = set(inputs)
        order, opened = [], set()
        for start in outputs:
            waiting = [] if start in given else [(start.op, False)]
            while waiting:
                op, is_ready = waiting.pop()
                if is_ready:
                    order.append(op)
                elif op not in opened:
                    opened.add(op)
                    waiting.append((op, True))
                    waiting += [(t.op, False) for t in reversed(self.sources(op))
                                if t not in given and t.op not in opened]
        return order

    def _remember_consumers(self, operations, outputs):
        for op in operations:
            for tensor in self.sources(op):
                self._consumers.setdefault(tensor, []).append(op)
        for tensor in outputs:
            self._consumers.setdefault(tensor, []).append(None)

    def consumers(self, tensor):
        """The exported ops that take a tensor, None standing for an output of the model."""
        return self._consumers.get(tensor, [])

    @staticmethod
    def sources(op):
        """The inputs whose values a converter takes."""
        return [] if op.type in _STORAGE else list(op.inputs)

    def _check_all_known(self, operations):
        missing = [op for op in operations if op.type not in CONVERTERS and not self._is_given(op)]
        if missing:
            raise errors.UnimplementedError(None, None, "\n".join(self._explained(op) for op in missing[:10]) + (
                f"\n... and {len(missing) - 10} more" if len(missing) > 10 else ""))

    def _is_given(self, op):
        return op.type in _STORAGE or op.type == "Const" or all(self._is_foldable(t) for t in op.outputs)

    def _is_foldable(self, tensor, depth=16):
        """Whether a value follows from constants alone, so that its op needs no converter."""
        op = tensor.op
        if op.type == "Const":
            return True
        if not op.inputs or depth == 0 or op.declaration.is_stateful or any(op.declaration.wants_ref):
            return False
        size = shapes.size_of(tensor._shape)
        return size is not None and size <= _LARGEST_FOLDED and all(self._is_foldable(t, depth - 1) for t in op.inputs)

    def _explained(self, op):
        if op.type == "Placeholder":
            return f"the outputs need the placeholder {op.name}: name it among the inputs" + self._line(op)
        return f"node {op.name}: ONNX export has no form for the op {op.type}" + self._line(op)

    def _line(self, op):
        original = self._at_user(op.name)
        frame = original.frame if original is not None else None
        return f", built at {frame}" if frame else ""

    def fail(self, problem):
        """Raises the error that the op at work cannot be exported, because of `problem`."""
        raise errors.UnimplementedError(None, None, f"node {self._op.name} ({self._op.type}) cannot be exported to "
                                                    f"ONNX: {problem}{self._line(self._op)}")

    def _convert(self, op):
        if op.type == "Const":
            self.set_array(op.outputs[0], op.attrs["value"])
        elif op.type in _STORAGE:
            if op.name not in self._values:
                self.fail("it is a variable without a value; pass the session, or freeze the graph before")
            self.set_array(op.outputs[0], self._values[op.name])
        elif not self._fold(op):
            CONVERTERS[op.type](self, op)

    def _fold(self, op):
        """Whether all inputs were constants and so are the outputs now."""
        declaration = op.declaration
        if not op.inputs or declaration.is_stateful or any(declaration.wants_ref):
            return False
        arrays = [self.array(t) for t in op.inputs]
        if any(array is None for array in arrays):
            return False
        sizes = [shapes.size_of(t._shape) for t in op.outputs]
        if any(size is None or size > _LARGEST_FOLDED for size in sizes):
            return False
        if op.type == "Identity":
            self.set_array(op.outputs[0], arrays[0])
            return True
        for tensor, array in zip(op.outputs, declaration.reference(arrays, op.attrs)):
            self.set_array(tensor, np.asarray(array, tensor.dtype.base_dtype.np))
        return True

    def _add_output(self, tensor, name):
        found = self.plain(tensor)
        names = {info.name for info in (*self.model.graph.input, *self.model.graph.output)}
        is_constant = any(constant.name == found for constant in self.model.graph.initializer)
        if found in names or is_constant:
            self.model.graph.node.add(op_type="Identity", name=name, input=[found], output=[name])
        elif found != name:
            self.model.rename(found, name)
            for value in self._tensors.values():
                if value.plain == found:
                    value.plain = name
        self.model.add_output(name, tensor.dtype, tensor._shape)

    # --- what tensors are -----------------------------------------------------------------------------

    def array(self, tensor):
        """The value of a tensor that is known while exporting, or None."""
        value = self._tensors.get(tensor)
        return value.array if value is not None else None

    def known(self, tensor, what):
        """The value of a tensor that must be known: `what` says what it is."""
        array = self.array(tensor)
        if array is None:
            self.fail(f"{what}, {tensor.name}, is not constant")
        return array

    def shape(self, tensor):
        """The static shape, of a known rank."""
        if tensor._shape is None:
            self.fail(f"the rank of {tensor.name} is not known; set_shape on the placeholders gives it")
        return tensor._shape

    def rank(self, tensor):
        return len(self.shape(tensor))

    def axis(self, axis, rank):
        """A plain axis, not negative."""
        axis = int(axis)
        if not -rank <= axis < rank:
            self.fail(f"axis {axis} of rank {rank}")
        return axis % rank

    def set_array(self, tensor, array):
        self._tensors[tensor] = _Value(array=np.asarray(array))

    def set_plain(self, tensor, name):
        self._tensors[tensor] = _Value(plain=name)

    def set_first(self, tensor, name):
        self._tensors[tensor] = _Value(first=name)

    def alias(self, tensor, source):
        """`tensor` is what `source` is."""
        self._tensors[tensor] = self._tensors[source]

    # --- taking values --------------------------------------------------------------------------------

    def is_first(self, tensor):
        """Whether a tensor is there with its channels first, and only so."""
        value = self._tensors[tensor]
        return value.first is not None and value.plain is None

    def plain(self, tensor):
        """The name of a tensor in TensorFlow's form."""
        value = self._tensors[tensor]
        if value.plain is None:
            value.plain = self.constant(value.array, tensor.op.name) if value.array is not None else self.transposed(
                value.first, channels_last_axes(self.rank(tensor)))
        return value.plain

    def first(self, tensor):
        """The name of a tensor with its channels first."""
        value = self._tensors[tensor]
        if value.first is None:
            axes = channels_first_axes(self.rank(tensor))
            value.first = self.constant(np.transpose(value.array, axes), f"{tensor.op.name}/nchw") \
                if value.array is not None else self.transposed(value.plain, axes)
        return value.first

    def in_form(self, tensor, is_first):
        return self.first(tensor) if is_first else self.plain(tensor)

    def set_in_form(self, tensor, name, is_first):
        (self.set_first if is_first else self.set_plain)(tensor, name)

    def as_int64(self, tensor):
        """The name of an integer tensor as int64, which ONNX takes for sizes and positions."""
        array = self.array(tensor)
        if array is not None:
            return self.ints(array)
        name = self.plain(tensor)
        return name if tensor.dtype.base_dtype.name == "int64" else self.cast(name, "int64")

    # --- writing --------------------------------------------------------------------------------------

    def add(self, op_type, inputs, hint=None, **attributes):
        """Adds a node with one output and gives its name."""
        return self.model.add_node(op_type, inputs, [hint or self._op.name], **attributes)[0]

    def add_many(self, op_type, inputs, count, **attributes):
        """Adds a node with several outputs."""
        hints = [f"{self._op.name}_{i}" if i else self._op.name for i in range(count)]
        return self.model.add_node(op_type, inputs, hints, **attributes)

    def constant(self, array, hint=None):
        return self.model.constant(array, hint or f"{self._op.name}/constant")

    def ints(self, values):
        """The name of a constant of int64."""
        return self.constant(np.asarray(values, np.int64))

    def like(self, tensor, value):
        """The name of a scalar constant of a tensor's type."""
        return self.constant(np.asarray(value, tensor.dtype.base_dtype.np))

    def transposed(self, name, axes):
        return self.add("Transpose", [name], f"{name}/transposed", perm=axes)

    def cast(self, name, dtype):
        return self.add("Cast", [name], f"{name}/{dtype}", to=type_number(dtype, name))

    def unsqueezed(self, name, axes):
        return self.add("Unsqueeze", [name, self.ints(axes)], f"{name}/unsqueezed")
