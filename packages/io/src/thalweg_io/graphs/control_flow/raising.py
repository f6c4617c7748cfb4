"""From Switch, Merge, Enter and Exit to `If` and `While`: a graph of TensorFlow 1.x in the form that thalweg runs.

frames.py folds each loop to a `While`, regions.py finds under which conditions each node runs, levels.py gathers what
becomes an `If`; here the graph and its functions are written. An `Exit` and a `Merge` are identities then, under
their names. Nodes that only steer (pivots, Switches) are gone, and nodes of branches that nothing outside needs.
"""
import collections
import functools

import numpy as np

from thalweg.framework import errors
from thalweg.framework.dtypes import bool_, int32, string

from ...tensor_proto import tensor_proto
from .frames import framed
from .levels import Branching, Level, closure, controls_of, resolved
from .nodes import MERGE, SWITCH, V1_OPS, Node, dtype_of, linked, output_name, topological
from .regions import DEAD, Effect, regioned

_FOLDED_ATTRS = ("frame_name", "is_constant", "parallel_iterations", "N")


def raised(graph_def):
    """The GraphDef with `If` and `While` in the place of Switch, Merge, Enter, Exit, NextIteration and LoopCond.

    Parameters
    ----------
    graph_def : GraphDef        not changed

    Returns
    -------
    GraphDef        `graph_def` itself where it has no such nodes

    Raises
    ------
    InvalidArgumentError    for a graph that TensorFlow refuses too: unknown inputs, mixed loops, cycles
    UnimplementedError      for control flow that no `If` or `While` can say, with the nodes' names
    """
    for function in graph_def.library.function:
        old = [n.name for n in function.node_def if n.op in V1_OPS]
        if old:
            raise errors.UnimplementedError(None, None, f"function {function.signature.name!r} holds Switch, Merge or "
                                            f"Enter nodes ({', '.join(old[:5])}): they are raised in graphs only")
    if not any(node.op in V1_OPS for node in graph_def.node):
        return graph_def
    nodes = linked(graph_def.node)
    frames = framed(nodes)
    regioned(frames)
    return _Writer(graph_def, nodes, frames).written()


class _Function:
    """A function still to be written.

    Attributes
    ----------
    arguments : list of ((Node, int) or None, str, DType)   the tensor that each stands for; its name; its dtype
    outputs : list of (Node, int)
    nodes : list of Node        all that it needs
    region : Region
    """

    def __init__(self, name, arguments, outputs, nodes, region):
        self.name, self.arguments, self.outputs, self.nodes, self.region = name, arguments, outputs, nodes, region


class _Writer:
    """Writes the levels of one graph.

    Attributes
    ----------
    waiting : list of _Function
    indexed : set of Node       Merges of which somebody takes, or may fetch, the number of the input that they gave
    """

    def __init__(self, graph_def, nodes, frames):
        from ...protos import GraphDef
        self.message = GraphDef(version=graph_def.version, debug_info=graph_def.debug_info)
        self.message.versions.CopyFrom(graph_def.versions)
        self.message.library.CopyFrom(graph_def.library)
        self.root = frames[0]
        self.names = {node.name for node in nodes}
        self.functions = {function.signature.name for function in graph_def.library.function}
        self.waiting, self._numbers = collections.deque(), {}
        self.indexed = {s for n in nodes for s, k in n.inputs if k == 1 and s.op in MERGE}
        self.indexed.update(n for n in self.root.nodes if n.op in MERGE and n.region.parent is None)

    def written(self):
        """The finished GraphDef."""
        kept = [n for n in self.root.nodes if n.region.parent is None and n.region is not DEAD
                and n.op not in SWITCH and not isinstance(n, Effect)]
        level = Level(closure([], kept, ()), kept[0].region, frozenset()) if kept else None
        if level is not None:
            _LevelWriter(self, level, {}, is_function=False).write(self.message.node.add)
        while self.waiting:
            self._write_function(self.waiting.popleft())
        return self.message

    def unique(self, name, taken, further=()):
        """`name`, or with the first number that makes it new; noted in `taken`."""
        found = name
        while found in taken or found in further:
            self._numbers[name] = number = self._numbers.get(name, 0) + 1
            found = f"{name}_{number}"
        taken.add(found)
        return found

    def add(self, name, arguments, outputs, nodes, region):
        """Queues a function; gives its name in the library."""
        name = self.unique(name, self.functions)
        self.waiting.append(_Function(name, arguments, outputs, nodes, region))
        return name

    def _write_function(self, function):
        message = self.message.library.function.add()
        message.signature.name = function.name
        given = {}
        for tensor, name, dtype in function.arguments:
            argument = message.signature.input_arg.add(name=name, type=dtype.base_dtype.as_datatype_enum)
            argument.is_ref = dtype.is_ref_dtype
            given[tensor] = name
        level = Level(function.nodes, function.region, given.keys(), function.outputs)
        writer = _LevelWriter(self, level, given, is_function=True)
        writer.write(message.node_def.add)
        for i, tensor in enumerate(function.outputs):
            message.signature.output_arg.add(name=f"output_{i}", type=dtype_of(tensor).base_dtype.as_datatype_enum)
            message.ret[f"output_{i}"] = writer.reference(tensor)


class _LevelWriter:
    """Writes the nodes of one level.

    Attributes
    ----------
    given : dict                tensor from outside -> the argument's name
    place : dict                (Node, int) -> (Node, int): where a Merge or a kept tensor comes from
    """

    def __init__(self, writer, level, given, is_function):
        self.writer, self.level, self.given, self.is_function = writer, level, given, is_function
        self.place, self.held_by = {}, {}
        for item in level.items:
            if isinstance(item, Branching):
                self._number_outputs(item)

    def _number_outputs(self, branching):
        outputs = branching.results
        for join in branching.joins:
            if isinstance(join, Effect):
                outputs.append(("done", join))
                self.held_by[join] = branching
                continue
            self.place[join, 0] = branching, len(outputs)
            outputs.append(("value", join))
            if join in self.writer.indexed:
                self.place[join, 1] = branching, len(outputs)
                outputs.append(("index", join))
        for tensor in branching.kept:
            self.place[tensor] = branching, len(outputs)
            outputs.append(("kept", tensor))
        branching.dtypes = [{"done": bool_, "index": int32}.get(kind) or (
            what.dtypes[0] if kind == "value" else dtype_of(what)).base_dtype for kind, what in outputs]

    # --- order ---------------------------------------------------------------------------------------

    def write(self, add):
        """Writes all nodes; `add()` gives a new NodeDef."""
        items = topological(self.level.items, self._sources, "Branches wait for each other")
        for item in items:
            message, inputs, controls = add(), self._inputs(item), self._controls(item)
            if isinstance(item, Branching):
                self._write_if(item, message)
            elif item.op == "While" and item.loop is not None:
                self._write_while(item, message)
            elif item.op in MERGE:
                self._write_merge(item, message)
            else:
                self._copy(item, message)
            item.message = message
            message.input.extend(self.reference(t) for t in inputs)
            message.input.extend(f"^{c.name}" for c in controls)

    def _inputs(self, item):
        """The tensors that an item takes, as items of this level give them."""
        if isinstance(item, Branching):
            return [self._found(t) for t in (item.cond, *item.captured)]
        if item.op in MERGE:
            if item.choice.cond is None:
                return [self._found(resolved(item.choice.inputs[0]))]
            return [self.place[item, k] for k in range(2 if item in self.writer.indexed else 1)]
        return [self._found(resolved(t)) for t in item.inputs]

    def _found(self, tensor):
        """Where a tensor comes from here: a Merge is an item itself, a kept tensor an output of an `If`."""
        if tensor in self.given or tensor[0].op in MERGE and tensor[0].region is self.level.region:
            return tensor
        return self.place.get(tensor, tensor)

    def _controls(self, item):
        return list(dict.fromkeys(self.held_by.get(c, c) for c in controls_of(item) if c in self._members))

    @functools.cached_property
    def _members(self):
        """The nodes that this level writes, as themselves or in an `If`."""
        return set(self.level.items) | set(self.held_by)

    def _sources(self, item):
        return [t[0] for t in self._inputs(item) if t not in self.given] + self._controls(item)

    def reference(self, tensor):
        """How an input names a tensor."""
        tensor = resolved(tensor)
        if tensor in self.given:
            return self.given[tensor]
        node, index = self._found(tensor)
        if self.is_function:
            return output_name(node, index)
        return node.name if index == 0 else f"{node.name}:{index}"

    # --- nodes ---------------------------------------------------------------------------------------

    def _copy(self, item, message):
        message.name, message.op, message.device = item.name, item.op, item.message.device
        folded = item.op != item.message.op
        for name, value in item.message.attr.items():
            if name == "_class":
                self._copy_class(value, message)
            elif not (folded and name in _FOLDED_ATTRS):
                message.attr[name].CopyFrom(value)

    def _copy_class(self, value, message):
        """Colocation with nodes that are still there."""
        if self.is_function:
            return
        stays = [s for s in value.list.s if not s.startswith(b"loc:@") or s[5:].decode() in self._item_names]
        if stays:
            message.attr["_class"].list.s.extend(stays)

    @functools.cached_property
    def _item_names(self):
        return {item.name for item in self.level.items}

    def _write_merge(self, item, message):
        """A Merge as an identity; with the number of the input that it gave, where somebody takes that."""
        message.name, message.device = item.name, item.message.device
        types = item.dtypes = [d.base_dtype for d in item.dtypes]
        dtype = types[0].as_datatype_enum
        is_pair = item in self.writer.indexed and item.choice.cond is not None
        message.op = "IdentityN" if is_pair else "Identity"
        if is_pair:
            message.attr["T"].list.type.extend([dtype, int32.as_datatype_enum])
        else:
            message.attr["T"].type = dtype
        known = item.message.attr["_output_shapes"].list.shape if "_output_shapes" in item.message.attr else ()
        if known:
            message.attr["_output_shapes"].list.shape.extend(known[:2 if is_pair else 1])

    def _scoped(self, scope, name):
        return self.writer.unique(f"{scope}/{name}" if scope else name, self.writer.names)

    def _arguments(self, tensors, dtypes):
        """Arguments for `tensors`: each its name, after the node, and its dtype."""
        taken: set = set()
        return [(t, self.writer.unique(t[0].name.rpartition("/")[2] or "input", taken, self.writer.names), dtype)
                for t, dtype in zip(tensors, dtypes)]

    # --- While -----------------------------------------------------------------------------------------

    def _write_while(self, item, message):
        frame, scope = item.loop, item.loop.cond.name.rpartition("/")[0]
        message.name = item.name = self._scoped(scope, "While")
        message.op = "While"
        arguments = self._arguments([*[(v.merge, 0) for v in frame.variables], *[(e, 0) for e in frame.captures]],
                                    [*[v.merge.dtypes[0].base_dtype for v in frame.variables],
                                     *[e.dtypes[0] for e in frame.captures]])
        top = frame.cond.region
        outputs = {"cond": [resolved((frame.cond, 0))], "body": [_following(v) for v in frame.variables]}
        for name, tensors in outputs.items():
            given = {t for t, _, _ in arguments}
            message.attr[name].func.name = self.writer.add(f"{scope}/{name}" if scope else name, arguments, tensors,
                                                           closure(tensors, [], given), top)
        types = [dtype.base_dtype.as_datatype_enum for _, _, dtype in arguments]
        message.attr["T"].list.type.extend(types)
        message.attr["Tvars"].list.type.extend(types[:len(frame.variables)])
        message.attr["Thistory"].list.SetInParent()
        message.attr["N"].i = 0
        if not frame.variables:
            raise errors.UnimplementedError(None, None, f"{frame!r} has no loop variables")

    # --- If --------------------------------------------------------------------------------------------

    def _write_if(self, item, message):
        message.name = item.name = self._scoped(item.name, "If")
        message.op = "If"
        dtypes = [dtype_of(t) for t in item.captured]
        arguments = self._arguments(item.captured, dtypes)
        scope = message.name.rpartition("/")[0]
        for side, attr, name in ((1, "then_branch", "true"), (0, "else_branch", "false")):
            region = self.level.region.child(item.cond, side)
            nodes = [n for n in item.nodes if n.region.is_inside(region)]
            outputs = [self._branch_output(kind, what, side, region, nodes) for kind, what in item.results]
            message.attr[attr].func.name = self.writer.add(f"{scope}/{name}" if scope else name, arguments, outputs,
                                                           nodes, region)
        message.attr["Tin"].list.SetInParent()
        message.attr["Tin"].list.type.extend(d.base_dtype.as_datatype_enum for d in dtypes)
        message.attr["Tout"].list.type.extend(d.as_datatype_enum for d in item.dtypes)

    def _branch_output(self, kind, what, side, region, nodes):
        """The tensor that a branch gives for one output of its `If`; new nodes join `nodes`."""
        if kind == "value":
            return resolved(what.choice.inputs[side])
        if kind == "index":
            return self._constant(np.int32(_input_number(what, side)), int32, region, nodes)
        if kind == "done":
            value = self._constant(np.bool_(True), bool_, region, nodes)
            return self._after(value, [c for c in what.controls if c.region.is_inside(region)], region, nodes)
        if what[0].region.is_inside(region):
            return what
        return self._nothing(dtype_of(what).base_dtype, region, nodes)

    def _constant(self, value, dtype, region, nodes):
        node = self._made("Const", region, nodes)
        node.message.attr["dtype"].type = dtype.as_datatype_enum
        node.message.attr["value"].tensor.CopyFrom(tensor_proto(value, dtype))
        return node, 0

    def _nothing(self, dtype, region, nodes):
        """Stands for a value that only the other branch has; nobody looks at it."""
        if dtype.kind in "fciub":
            return self._constant(np.zeros((), dtype.np), dtype, region, nodes)
        if dtype is string:
            return self._constant(np.array(b"", object), dtype, region, nodes)
        node = self._made("_Nothing", region, nodes)
        node.message.attr["dtype"].type = dtype.as_datatype_enum
        return node, 0

    def _after(self, value, controls, region, nodes):
        """`value`, to be had when `controls` have run."""
        node = self._made("Identity", region, nodes)
        node.message.attr["T"].type = bool_.as_datatype_enum
        node.inputs, node.controls = [value], controls
        return node, 0

    def _made(self, op, region, nodes):
        from ...protos import NodeDef
        name = self.writer.unique({"Const": "const", "Identity": "done"}.get(op, "nothing"), self.writer.names)
        node = Node(name, op, float("inf"), NodeDef(name=name, op=op))
        node.region = region
        nodes.append(node)
        return node


def _following(variable):
    """The next value of a loop variable: of a NextIteration that waits for something, the node itself."""
    node = variable.following
    if controls_of(node):
        node.op = "Identity"
        return node, 0
    return resolved(node.inputs[0])


def _input_number(merge, side):
    """The number among a Merge's inputs of the one from the branch `side`."""
    return merge.inputs.index(merge.choice.inputs[side])
