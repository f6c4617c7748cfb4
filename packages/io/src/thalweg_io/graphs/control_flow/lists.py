"""Lists of tensors in files: thalweg's list ops (ops/array_list.py) as TensorFlow's TensorList ops.

Those carry the type of the elements with every op; which list goes where, through functions too, tells it. An element
of a thalweg list is written once, so what only guards that (`_ListDrop`) is an identity there.
"""
from thalweg.framework.dtypes import as_dtype, float32, int32, variant

LIST_OPS = frozenset(f"_List{word}" for word in ("Reserve", "Size", "Zeros", "Write", "Drop", "Read", "Gather",
                                                "Scatter", "Concat", "Split", "Add"))
_PASSING = ("Identity", "AddN", "Select", "ZerosLike", "IdentityN")


class ElementTypes:
    """The dtype of the elements of each list of a GraphDef.

    Lists that flow into each other have one type: disjoint sets of (function, tensor) pairs.
    """

    def __init__(self, graph_def):
        self._parent, self._dtypes, self._found = {}, {}, {}
        self.library = {f.signature.name: f for f in graph_def.library.function}
        self._read("", graph_def.node)
        for function in graph_def.library.function:
            self._read(function.signature.name, function.node_def)
        for key, dtype in self._dtypes.items():
            self._found[self._root(key)] = dtype

    def of(self, function, tensor):
        """The dtype of the elements of a list; float32 where nothing ever says it."""
        return self._found.get(self._root((function, _base(tensor))), float32)

    def _root(self, key):
        while self._parent.setdefault(key, key) != key:
            self._parent[key] = self._parent[self._parent[key]]
            key = self._parent[key]
        return key

    def _join(self, a, b):
        self._parent[self._root(a)] = self._root(b)

    def _read(self, function, nodes):
        for node in nodes:
            inputs = [(function, _base(i)) for i in node.input if not i.startswith("^")]
            if node.op in LIST_OPS:
                self._read_list_op(function, node, inputs)
            elif node.op in _PASSING:
                for each in inputs:
                    self._join(each, (function, node.name))
            elif node.op in ("If", "While", "StatelessIf", "StatelessWhile"):
                self._read_functions(function, node, inputs)

    def _read_list_op(self, function, node, inputs):
        of_list = [] if node.op == "_ListReserve" else inputs[:2] if node.op == "_ListAdd" else inputs[:1]
        is_list = node.op not in ("_ListSize", "_ListRead", "_ListGather", "_ListConcat")
        keys = of_list + ([(function, node.name)] if is_list else [])
        for key in keys[1:]:
            self._join(keys[0], key)
        for attr in ("T", "dtype"):
            if attr in node.attr:
                self._dtypes[keys[0]] = as_dtype(node.attr[attr].type)

    def _read_functions(self, function, node, inputs):
        is_if = node.op.endswith("If")
        n_vars = 0 if is_if else len((node.attr["Tvars"] if "Tvars" in node.attr else node.attr["T"]).list.type)
        for attr in ("then_branch", "else_branch") if is_if else ("cond", "body"):
            callee = self.library.get(node.attr[attr].func.name)
            if callee is None:
                continue
            name = callee.signature.name
            for argument, tensor in zip(callee.signature.input_arg, inputs[is_if:]):
                if argument.type == variant.as_datatype_enum:
                    self._join((name, argument.name), tensor)
            if attr == "cond":
                continue
            for k, argument in enumerate(callee.signature.output_arg):
                if argument.type == variant.as_datatype_enum:
                    self._join((name, _base(callee.ret[argument.name])), (function, f"{node.name}:{k}"))
                    if k < n_vars:
                        self._join((function, f"{node.name}:{k}"), inputs[k])


def _base(text):
    """A tensor's name, the same in a graph and in a function: `node` or, of an `If` or `While`, `node:k`."""
    name, _, rest = text.partition(":")
    index = rest.rpartition(":")[2]
    return f"{name}:{index}" if index not in ("", "0") else name


class ListWriter:
    """Writes list ops while a graph is lowered.

    Parameters
    ----------
    lowering : _Lowering        has `add(context, op, name, inputs, controls, n_outputs, **attrs)` and `constant`
    """

    def __init__(self, lowering):
        self.lowering = lowering

    def write(self, context, node, name, inputs, controls, dtype):
        """Writes a list op as what TensorFlow calls it."""
        self.context, self.node, self.name, self.controls, self.dtype = context, node, name, controls, dtype
        getattr(self, f"_write_{node.op.removeprefix('_List').lower()}")(*inputs)

    def _add(self, op, inputs, name=None, n_outputs=1, **attrs):
        name = self.lowering.unique(f"{self.name}/{op}") if name is None else name
        return self.lowering.add(self.context, op, name, inputs, self.controls if name == self.name else (), n_outputs,
                                 **attrs)

    def _typed(self, op, inputs, n_outputs=1, is_shaped=False, name="own"):
        attrs = {"element_dtype": ("type", self.dtype)}
        if is_shaped:
            attrs["shape_type"] = ("type", int32)
        return self._add(op, inputs, self.name if name == "own" else name, n_outputs, **attrs)

    def _any_shape(self):
        return self.lowering.constant(self.context, -1, int32, f"{self.name}/element_shape")

    def _write_reserve(self, size):
        self._typed("TensorListReserve", [self._any_shape(), size], is_shaped=True)

    def _write_size(self, handle):
        self._add("TensorListLength", [handle], self.name)

    def _write_zeros(self, handle):
        size = self._add("TensorListLength", [handle])
        self._typed("TensorListReserve", [self._any_shape(), size], is_shaped=True)

    def _write_write(self, handle, index, value):
        if self.node.attr["dynamic"].b:
            one = self.lowering.constant(self.context, 1, int32, f"{self.name}/one")
            handle = self._grown(handle, self._add("AddV2", [index, one], T=("type", int32)))
        self._typed("TensorListSetItem", [handle, index, value])

    def _grown(self, handle, size):
        length = self._add("TensorListLength", [handle])
        longest = self._add("Maximum", [length, size], T=("type", int32))
        return self._add("TensorListResize", [handle, longest])

    def _write_drop(self, handle, indices):
        self._add("Identity", [handle], self.name, T=("type", variant))

    def _write_read(self, handle, index, shape):
        self._typed("TensorListGetItem", [handle, index, shape])

    def _write_gather(self, handle, indices, shape):
        self._typed("TensorListGather", [handle, indices, shape])

    def _write_scatter(self, handle, indices, value):
        if self.node.attr["accumulate"].b:
            length = self._add("TensorListLength", [handle])
            rows = self._add("UnsortedSegmentSum", [value, indices, length], T=("type", self.dtype),
                             Tindices=("type", int32), Tnumsegments=("type", int32))
            self._typed("TensorListFromTensor", [rows, self._any_shape()], is_shaped=True)
            return
        if self.node.attr["dynamic"].b:
            handle = self._grown(handle, self._end_of(indices))
        self._typed("TensorListScatterIntoExistingList", [handle, value, indices])

    def _end_of(self, indices):
        """One more than the largest index: 0 of none."""
        low = self.lowering
        one, first = (low.constant(self.context, v, int32, f"{self.name}/one") for v in (1, [0]))
        ends = self._add("AddV2", [indices, one], T=("type", int32))
        axis = low.constant(self.context, 0, int32, f"{self.name}/axis")
        ends = self._add("ConcatV2", [ends, first, axis], T=("type", int32), N=("int", 2), Tidx=("type", int32))
        return self._add("Max", [ends, first], T=("type", int32), Tidx=("type", int32), keep_dims=("bool", False))

    def _write_concat(self, handle, shape, sizes):
        """TensorFlow compares every part with the shape that is given here for what was never written."""
        self._typed("TensorListConcatV2", [handle, self._any_shape(), sizes], 2, is_shaped=True)

    def _write_split(self, handle, value, lengths):
        self._typed("TensorListSplit", [value, self._any_shape(), lengths], is_shaped=True)

    def _write_add(self, a, b):
        self._add("AddN", [a, b], self.name, T=("type", variant), N=("int", 2))
