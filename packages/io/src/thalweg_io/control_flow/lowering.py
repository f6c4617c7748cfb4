"""From `If` and `While` to Switch, Merge, Enter and Exit: a graph as TensorFlow 1.x's tools expect it in a file.

Names are TensorFlow's where it has names: the identities `cond/Merge` and `while/Exit` become the Merge and the Exit,
the nodes around them `cond/pred_id`, `cond/switch_t`, `while/LoopCond`, `while/Identity`. What each iteration of a
loop leaves for the gradient is kept in TensorArrays. Outputs that nobody takes are left out, and what only they need.
"""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype, bool_, float32, int32, int64, resource

from ..graph_def import set_attr
from ..tensor_proto import tensor_proto
from .contexts import Context, finished
from .levels import has_effect
from .lists import LIST_OPS, ElementTypes, ListWriter
from .nodes import output_arguments

_IFS, _WHILES = ("If", "StatelessIf"), ("While", "StatelessWhile")
FUNCTIONAL = frozenset((*_IFS, *_WHILES))


def lowered(graph_def):
    """The GraphDef with TensorFlow 1.x's control flow in the place of `If` and `While`."""
    return lowered_with_contexts(graph_def)[0]


def lowered_with_contexts(graph_def):
    """The GraphDef without `If` and `While`, and the contexts of its branches and loops.

    Parameters
    ----------
    graph_def : GraphDef        not changed

    Returns
    -------
    (GraphDef, list of CondContextDef, list of WhileContextDef)     `graph_def` itself where it has no such nodes

    Raises
    ------
    InvalidArgumentError    where a function is missing
    """
    if not any(node.op in FUNCTIONAL or node.op in LIST_OPS for node in graph_def.node):
        return graph_def, [], []
    lowering = _Lowering(graph_def)
    message = lowering.run()
    return message, *finished(lowering.top)


class _Scope:
    """A list of nodes being written: the graph's own, or those of one function in one place.

    Attributes
    ----------
    context : Context
    known : dict            how its inputs name a tensor -> the tensor in the lowered graph
    controls : dict         node name here -> the nodes that stand for it there
    function : str          the function's name; "" for the graph
    """

    def __init__(self, context, known, function=""):
        self.context, self.known, self.controls = context, known, {}
        self.function, self.is_graph = function, not function


class _Lowering:
    """One graph being lowered."""

    def __init__(self, graph_def):
        from ..protos import GraphDef
        self.source = graph_def
        self.message = GraphDef(version=graph_def.version, debug_info=graph_def.debug_info)
        self.message.versions.CopyFrom(graph_def.versions)
        self.library = {f.signature.name: f for f in graph_def.library.function}
        self.names = {node.name for node in graph_def.node}
        self.top, self.jobs, self._numbers = Context(), [], {}
        self.element_types, self.lists = ElementTypes(graph_def), ListWriter(self)

    def run(self):
        """The lowered GraphDef."""
        scope = _Scope(self.top, {})
        self._write_nodes(scope, self.source.node, self.source.node)
        while self.jobs:
            self.jobs.pop()()
        self._keep_functions()
        return self.message

    def _keep_functions(self):
        """Functions of other ops (of datasets, say) stay."""
        used, waiting = {}, list(self.message.node)
        while waiting:
            for value in waiting.pop().attr.values():
                for name in [value.func.name, *[f.name for f in value.list.func]]:
                    if name in self.library and name not in used:
                        used[name] = self.library[name]
                        waiting.extend(self.library[name].node_def)
        self.message.library.function.extend(used.values())

    def unique(self, name):
        found = name
        while found in self.names:
            self._numbers[name] = number = self._numbers.get(name, 0) + 1
            found = f"{name}_{number}"
        self.names.add(found)
        return found

    # --- nodes -------------------------------------------------------------------------------------------

    def add(self, context, op, name, inputs=(), controls=(), n_outputs=1, **attrs):
        """Adds a node; gives the name of its first output. Attributes are (kind, value) pairs."""
        node = self.message.node.add(name=name, op=op)
        node.input.extend(inputs)
        if not inputs and not controls and context.pivot:
            controls = (context.pivot,)
        node.input.extend(f"^{c}" for c in controls)
        for key, (kind, value) in attrs.items():
            set_attr(node.attr[key], value, kind, f"attribute {key} of {name}")
        context.note([f"{name}:{i}" for i in range(n_outputs)])
        return name

    def constant(self, context, value, dtype, name):
        node = self.add(context, "Const", self.unique(name), dtype=("type", dtype))
        self.message.node[-1].attr["value"].tensor.CopyFrom(tensor_proto(np.asarray(value, dtype.np), dtype))
        return node

    def _write_nodes(self, scope, nodes, all_nodes):
        """Writes `nodes` into a scope, names first: nodes of loops may stand before what they need."""
        uses = _Uses(all_nodes, nodes)
        renamed = {}
        for node in nodes:
            if node.op in FUNCTIONAL:
                self._announce(scope, node, uses, renamed)
        for node in nodes:
            if node.op not in FUNCTIONAL and node.name not in uses.adopted:
                renamed[node.name] = node.name if scope.is_graph else self.unique(node.name)
                self._know_outputs(scope, node, renamed[node.name])
        for node in nodes:
            if node.op in FUNCTIONAL:
                self._expand(scope, node, uses)
            elif node.name not in uses.adopted:
                self._copy(scope, node, renamed[node.name])

    def _know_outputs(self, scope, node, name):
        scope.controls[node.name] = [name]
        position = 0
        for argument, count in output_arguments(node, node.op):
            for i in range(count):
                tensor = name if position == 0 else f"{name}:{position}"
                for key in _keys(scope, node.name, argument.name, i, position):
                    scope.known[key] = tensor
                position += 1

    def _copy(self, scope, node, name):
        inputs = [scope.known[_plain(i)] for i in node.input if not i.startswith("^")]
        controls = self._controls(scope, node)
        if node.op in LIST_OPS:
            of_list = next((i for i in node.input if node.op != "_ListReserve"), node.name)
            self.lists.write(scope.context, node, name, inputs, controls,
                             self.element_types.of(scope.function, of_list))
            return
        copy = self.message.node.add()
        copy.CopyFrom(node)
        copy.name = name
        del copy.input[:]
        if not inputs and not controls and scope.context.pivot:
            controls = [scope.context.pivot]
        copy.input.extend(inputs)
        copy.input.extend(f"^{c}" for c in controls)
        if not scope.is_graph and "_class" in copy.attr:
            del copy.attr["_class"]
        count = sum(count for _, count in output_arguments(node, node.op))
        scope.context.note([f"{name}:{i}" for i in range(count)])

    def _controls(self, scope, node):
        found = [c for i in node.input if i.startswith("^") for c in scope.controls.get(i[1:], ())]
        return list(dict.fromkeys(found))

    def function(self, node, attr):
        name = node.attr[attr].func.name
        if name not in self.library:
            raise errors.InvalidArgumentError(None, None, f"Node '{node.name}': the library has no function '{name}'")
        return self.library[name]

    def has_effects(self, node):
        """Whether iterations of a loop must not overlap: a function of it, or one inside, changes something."""
        waiting, seen = [node], set()
        while waiting:
            for value in waiting.pop().attr.values():
                function = self.library.get(value.func.name)
                if function is None or function.signature.name in seen:
                    continue
                seen.add(function.signature.name)
                if any(has_effect(inner) for inner in function.node_def):
                    return True
                waiting.extend(function.node_def)
        return False

    # --- outputs -----------------------------------------------------------------------------------------

    def _announce(self, scope, node, uses, renamed):
        """Chooses the names of the outputs of an `If` or `While` that somebody takes."""
        is_if = node.op in _IFS
        outputs, base = _outputs_of(node), node.name.rpartition("/")[0]
        base = base + "/" if base else ""
        taken = uses.taken(node, outputs, scope.is_graph)
        plan = uses.plans[node.name] = {}
        n_vars = len(_type_list(node, "Tvars", "T"))
        for index in range(len(outputs)) if is_if else [*range(n_vars), *[k for k in taken if k >= n_vars]]:
            if is_if and index not in taken:
                continue
            adopted = uses.identity_of(node, outputs[index]) if is_if or index < n_vars else None
            if adopted is not None:
                uses.adopted[adopted.name] = node.name
                name = adopted.name if scope.is_graph else self.unique(adopted.name)
            else:
                word = "Merge" if is_if else "Exit" if index < n_vars else outputs[index][0]
                name = self.unique(f"{base}{word}")
            plan[index] = name
            for key in outputs[index][1](scope.is_graph):
                scope.known[key] = name
            if adopted is not None:
                scope.controls[adopted.name] = [name]
                for key in _keys(scope, adopted.name, "output", 0, 0):
                    scope.known[key] = name
        scope.controls[node.name] = list(plan.values())

    def _expand(self, scope, node, uses):
        if node.op in _IFS:
            _Branches(self, scope, node, uses.plans[node.name]).write()
        else:
            _Loop(self, scope, node, uses.plans[node.name]).write()

    def inline(self, function, context, arguments, wanted, finish):
        """Queues the writing of a function's nodes; `finish` gets the tensors of the outputs `wanted`.

        Parameters
        ----------
        arguments : list of callable () -> tensor       one for each argument of the function
        """
        def job():
            names = [argument.name for argument in function.signature.input_arg]
            results = [function.ret[function.signature.output_arg[k].name] for k in wanted]
            nodes = _needed(function, results)
            known = {}
            used = {_plain(i) for n in nodes for i in n.input} | {_plain(r) for r in results}
            for name, argument in zip(names, arguments):
                if name in used:
                    known[name] = argument()
            scope = _Scope(context, known, function.signature.name)
            self._write_nodes(scope, nodes, _WithResults(nodes, results))
            finish([scope.known[_plain(r)] for r in results])
        self.jobs.append(job)


class _WithResults(list):
    """Nodes of a function, with what the function gives."""

    def __init__(self, nodes, results):
        super().__init__(nodes)
        self.results = results


def _plain(text):
    """An input without the `:0` that says nothing."""
    return text[:-2] if text.endswith(":0") and text.count(":") == 1 else text


def _keys(scope, node, argument, i, position):
    if scope.is_graph:
        return [node if position == 0 else f"{node}:{position}"]
    return [f"{node}:{argument}:{i}"]


def _needed(function, results):
    """The nodes of a function that its outputs `results` need, in order."""
    by_name = {node.name: node for node in function.node_def}
    stack, found = [r.split(":")[0] for r in results], set()
    while stack:
        name = stack.pop()
        if name in by_name and name not in found:
            found.add(name)
            stack += [i.lstrip("^").split(":")[0] for i in by_name[name].input]
    return [node for node in function.node_def if node.name in found]


def _type_list(node, *names):
    for name in names:
        if name in node.attr:
            return [as_dtype(t) for t in node.attr[name].list.type]
    return []


def _outputs_of(node):
    """(word for a name, keys(is_graph)) of each output of an `If` or `While`."""
    if node.op in _IFS:
        parts = [("output", len(_type_list(node, "Tout")))]
    else:
        n_history = len(_type_list(node, "Thistory"))
        parts = [("output", len(_type_list(node, "Tvars", "T")))]
        if "Tvars" in node.attr:
            parts += [("count", 1), ("history", n_history), ("history_shape", n_history)]
    found = []
    for argument, count in parts:
        for i in range(count):
            found.append((argument, _key_maker(node.name, argument, i, len(found))))
    return found


def _key_maker(name, argument, i, position):
    return lambda is_graph: [name if position == 0 else f"{name}:{position}"] if is_graph \
        else [f"{name}:{argument}:{i}"]


class _Uses:
    """Who takes what, in one list of nodes.

    Attributes
    ----------
    adopted : dict      identity that becomes a Merge or an Exit -> the `If` or `While`
    plans : dict        `If` or `While` -> {number of output: name of the node that gives it}
    """

    def __init__(self, all_nodes, nodes):
        self.adopted, self.plans = {}, {}
        self._identities, self._taken, self._awaited = {}, set(), set()
        for node in nodes:
            for text in node.input:
                if text.startswith("^"):
                    self._awaited.add(text[1:])
                else:
                    self._taken.add(_plain(text))
            if node.op == "Identity" and len(node.input) == 1:
                self._identities.setdefault(_plain(node.input[0]), node)
        self._taken.update(_plain(r) for r in getattr(all_nodes, "results", ()))

    def taken(self, node, outputs, is_graph):
        """The numbers of the outputs that are taken; all of an `If` that somebody only waits for, or may fetch."""
        found = [k for k, (_, keys) in enumerate(outputs) if self._taken.intersection(keys(is_graph))]
        if node.op in _IFS and (not found or node.name in self._awaited):
            return list(range(len(outputs)))
        return found

    def identity_of(self, node, output):
        """The identity that stands for an output, where one does."""
        for is_graph in (True, False):
            for key in output[1](is_graph):
                found = self._identities.get(key)
                if found is not None and found.name not in self.adopted and \
                        found.name.rpartition("/")[2].startswith(("Merge", "Exit")):
                    return found
        return None


class _Branches:
    """An `If` being written."""

    def __init__(self, lowering, scope, node, plan):
        self.lowering, self.scope, self.node, self.plan = lowering, scope, node, plan
        base = node.name.rpartition("/")[0]
        self.base = base + "/" if base else ""

    def write(self):
        from ..protos import CondContextDef
        low, node, context = self.lowering, self.node, self.scope.context
        pred, *inputs = [self.scope.known[_plain(i)] for i in node.input if not i.startswith("^")]
        controls = self.lowering._controls(self.scope, node)
        switch = low.add(context, "Switch", low.unique(f"{self.base}Switch"), [pred, pred], controls, 2,
                         T=("type", bool_))
        pivots = [low.add(context, "Identity", low.unique(f"{self.base}switch_{'ft'[side]}"),
                          [f"{switch}:1" if side else switch], T=("type", bool_)) for side in (0, 1)]
        pred_id = low.add(context, "Identity", low.unique(f"{self.base}pred_id"), [pred], controls, T=("type", bool_))
        results: dict = {}
        for side, attr in ((1, "then_branch"), (0, "else_branch")):
            message = CondContextDef(context_name=low.unique(f"{self.base}cond_text"), branch=side,
                                     pred_name=f"{pred_id}:0", pivot_name=f"{pivots[side]}:0")
            branch = Context(context, message, self._switched)
            branch.pivot, branch.side, branch.pred = pivots[side], side, pred_id
            branch.entered[pred_id] = pred_id
            branch.values[f"{pivots[side]}:0"] = None
            function = low.function(node, attr)
            arguments = [_bound(branch, t, a) for t, a in zip(inputs, function.signature.input_arg)]
            low.inline(function, branch, arguments, list(self.plan), self._finish(results, side))

    def _switched(self, branch, tensor, dtype, is_ref):
        """The side of a Switch that leads `tensor` into a branch."""
        low = self.lowering
        name = low.unique(f"{self.base}{tensor.split(':')[0].rpartition('/')[2]}/Switch")
        low.add(branch, "RefSwitch" if is_ref else "Switch", name, [tensor, branch.pred], n_outputs=2,
                T=("type", dtype))
        return f"{name}:1" if branch.side else name

    def _finish(self, results, side):
        def finish(tensors):
            results[side] = tensors
            if len(results) == 2:
                for (index, name), no, yes in zip(self.plan.items(), results[0], results[1]):
                    self.lowering.add(self.scope.context, "Merge", name, [no, yes], n_outputs=2,
                                      T=("type", _type_list(self.node, "Tout")[index]), N=("int", 2))
        return finish


def _bound(context, tensor, argument):
    """How a branch or loop gets at an argument: through its context, once something takes it."""
    return lambda: context.inside(tensor, as_dtype(argument.type), argument.is_ref)


class _Loop:
    """A `While` being written: frame, variables, and what iterations leave."""

    def __init__(self, lowering, scope, node, plan):
        from ..protos import WhileContextDef
        self.lowering, self.scope, self.node, self.plan = lowering, scope, node, plan
        base = node.name.rpartition("/")[0]
        self.base = base + "/" if base else ""
        self.dtypes = _type_list(node, "Tvars", "T")
        self.frame = lowering.unique(f"{self.base}while_context")
        self.parallel_iterations = 1 if lowering.has_effects(node) else 10
        message = WhileContextDef(context_name=self.frame, parallel_iterations=self.parallel_iterations,
                                  back_prop=True)
        if "_back_prop" in node.attr:
            message.back_prop = node.attr["_back_prop"].b
        self.context = Context(scope.context, message, self._entered)
        self.controls = lowering._controls(scope, node)
        self.enters, self.merges = [], []

    def write(self):
        low, node = self.lowering, self.node
        inputs = [self.scope.known[_plain(i)] for i in node.input if not i.startswith("^")]
        n_vars = len(self.dtypes)
        self._plan_histories(n_vars)
        initial = inputs[:n_vars] + [t for _, t, _ in self.extra]
        self.all_dtypes = self.dtypes + [dtype for _, _, dtype in self.extra]
        for tensor, dtype in zip(initial, self.all_dtypes):
            self.enters.append(self._enter(tensor, dtype, False))
        self.nexts = [low.unique(f"{self.base}NextIteration") for _ in initial]
        for enter, following, dtype in zip(self.enters, self.nexts, self.all_dtypes):
            self.merges.append(low.add(self.context, "Merge", low.unique(f"{self.base}Merge"), [enter, following],
                                       n_outputs=2, T=("type", dtype), N=("int", 2)))
        self.context.pivot = self.merges[0]
        self.body = {}
        cond, body = low.function(node, "cond"), low.function(node, "body")
        arguments = [lambda t=t: t for t in self.merges[:n_vars]] + [
            _bound(self.context, t, a) for t, a in zip(inputs[n_vars:], cond.signature.input_arg[n_vars:])]
        low.inline(cond, self.context, arguments, [0], lambda found: self._write_body(found[0], body, inputs))

    def _write_body(self, pred, body, inputs):
        low, n_vars = self.lowering, len(self.dtypes)
        loop_cond = low.add(self.context, "LoopCond", low.unique(f"{self.base}LoopCond"), [pred])
        switches = [low.add(self.context, "Switch", low.unique(f"{self.base}Switch"), [merge, loop_cond],
                            n_outputs=2, T=("type", dtype)) for merge, dtype in zip(self.merges, self.all_dtypes)]
        inner = [low.add(self.context, "Identity", low.unique(f"{self.base}Identity"), [f"{switch}:1"],
                         T=("type", dtype)) for switch, dtype in zip(switches, self.all_dtypes)]
        message = self.context.message
        message.pivot_name, message.pivot_for_pred_name = f"{loop_cond}:0", f"{self.merges[0]}:0"
        message.pivot_for_body_name = f"{inner[0]}:0"
        message.loop_enter_names.extend(f"{e}:0" for e in self.enters)
        self.context.pivot = inner[0]
        self._write_exits(switches)
        arguments = [lambda t=t: t for t in inner[:n_vars]] + [
            _bound(self.context, t, a) for t, a in zip(inputs[n_vars:], body.signature.input_arg[n_vars:])]
        wanted = [*range(n_vars), *[n_vars + j for j in self.kept]]
        low.inline(body, self.context, arguments, wanted, lambda found: self._close(found, inner))

    def _enter(self, tensor, dtype, is_constant, is_ref=False):
        low = self.lowering
        return low.add(self.context, "RefEnter" if is_ref else "Enter", low.unique(f"{self.base}Enter"), [tensor],
                       self.controls, T=("type", dtype), frame_name=("string", self.frame),
                       is_constant=("bool", is_constant), parallel_iterations=("int", self.parallel_iterations))

    def _entered(self, context, tensor, dtype, is_ref):
        return self._enter(tensor, dtype, True, is_ref)

    # --- what iterations leave ---------------------------------------------------------------------------

    def _plan_histories(self, n_vars):
        """Further variables of the loop: a counter, and for each stack that is taken the flow of its TensorArray.

        Attributes
        ----------
        kept : list of int              numbers of the histories of which values or shapes are taken
        extra : list of (str, tensor, DType)        the variables: what for, first value
        arrays : dict                   ("history" or "history_shape", number) -> (handle, dtype)
        """
        kinds = _type_list(self.node, "Thistory")
        first = n_vars + 1
        wanted = [("history" if k - first < len(kinds) else "history_shape", (k - first) % len(kinds), k)
                  for k in self.plan if k >= first]
        self.kept = sorted({j for _, j, _ in wanted})
        self.arrays, self.extra, self.outputs = {}, [], {}
        if not any(k >= n_vars for k in self.plan):
            return
        low, context = self.lowering, self.scope.context
        self.extra.append(("count", low.constant(context, 0, int32, f"{self.base}count/start"), int32))
        for kind, j, k in wanted:
            dtype = kinds[j] if kind == "history" else int64
            size = low.constant(context, 0, int32, f"{self.base}{kind}/size")
            handle = low.add(context, "TensorArrayV3", low.unique(f"{self.base}{kind}/TensorArray"), [size],
                             n_outputs=2, dtype=("type", dtype), element_shape=("shape", self._element_shape(k)),
                             dynamic_size=("bool", True), clear_after_read=("bool", False),
                             identical_element_shapes=("bool", False), tensor_array_name=("string", ""))
            self.arrays[kind, j] = handle, dtype, k
            self.extra.append(((kind, j), f"{handle}:1", float32))

    def _element_shape(self, k):
        """The shape of the rows of output k, where the message says it."""
        from thalweg.framework.shapes import plain
        shown = self.node.attr["_output_shapes"].list.shape if "_output_shapes" in self.node.attr else ()
        if k >= len(shown) or shown[k].unknown_rank:
            return None
        return plain([None if d.size < 0 else d.size for d in shown[k].dim][1:])

    def _write_exits(self, switches):
        """The Exits, and after them the stacks and the count."""
        low, n_vars = self.lowering, len(self.dtypes)
        exits = []
        for i, (switch, dtype) in enumerate(zip(switches, self.all_dtypes)):
            name = self.plan[i] if i < n_vars else low.unique(f"{self.base}Exit")
            exits.append(low.add(self.context, "Exit", name, [switch], T=("type", dtype)))
        self.context.message.loop_exit_names.extend(f"{e}:0" for e in exits)
        for (what, _, _), exit_ in zip(self.extra, exits[n_vars:]):
            if what != "count":
                self._write_stack(*self.arrays[what], exit_)
            elif n_vars in self.plan:
                low.add(self.scope.context, "Cast", self.plan[n_vars], [exit_], SrcT=("type", int32),
                        DstT=("type", int64), Truncate=("bool", False))

    def _write_stack(self, handle, dtype, k, flow):
        """The stack of what a TensorArray holds.

        TensorFlow stacks no rows only where it knows their shape: otherwise a row more is written behind the others,
        taken where there is no other, and cut off.
        """
        low, context, name, shape = self.lowering, self.scope.context, self.plan[k], self._element_shape(k)
        size = low.add(context, "TensorArraySizeV3", low.unique(f"{name}/size"), [handle, flow])
        start, one = (low.constant(context, v, int32, f"{name}/range/{w}") for v, w in ((0, "start"), (1, "delta")))
        is_open = shape is not None and None in shape and dtype.np is not None and dtype.kind in "fciub"
        count = size
        if is_open:
            row = low.constant(context, np.zeros([d or 0 for d in shape], dtype.np), dtype, f"{name}/no_row")
            flow = low.add(context, "TensorArrayWriteV3", low.unique(f"{name}/TensorArrayWriteV3"),
                           [handle, size, row, flow], T=("type", dtype))
            count = low.add(context, "Maximum", low.unique(f"{name}/Maximum"), [size, one], T=("type", int32))
        rows = low.add(context, "Range", low.unique(f"{name}/range"), [start, count, one], Tidx=("type", int32))
        stack = low.unique(f"{name}/TensorArrayGatherV3") if is_open else name
        low.add(context, "TensorArrayGatherV3", stack, [handle, rows, flow], dtype=("type", dtype),
                element_shape=("shape", shape))
        if is_open:
            axis = low.constant(context, [0], int32, f"{name}/begin")
            ones = low.constant(context, [1], int32, f"{name}/strides")
            end = low.add(context, "Pack", low.unique(f"{name}/end"), [size], T=("type", int32), N=("int", 1),
                          axis=("int", 0))
            low.add(context, "StridedSlice", name, [stack, axis, end, ones], T=("type", dtype), Index=("type", int32),
                    begin_mask=("int", 0), end_mask=("int", 0), ellipsis_mask=("int", 0), new_axis_mask=("int", 0),
                    shrink_axis_mask=("int", 0))

    def _close(self, results, inner):
        """The NextIterations."""
        low, n_vars = self.lowering, len(self.dtypes)
        following = list(results[:n_vars])
        values = dict(zip(self.kept, results[n_vars:]))
        for (what, _, _), current in zip(self.extra, inner[n_vars:]):
            if what == "count":
                index = current
                one = low.constant(self.context, 1, int32, f"{self.base}count/one")
                following.append(low.add(self.context, "Add", low.unique(f"{self.base}count/Add"), [current, one],
                                         T=("type", int32)))
            else:
                following.append(self._write_row(what, values[what[1]], index, current))
        for tensor, name, dtype in zip(following, self.nexts, self.all_dtypes):
            low.add(self.context, "NextIteration", name, [tensor], T=("type", dtype))

    def _write_row(self, what, value, index, flow):
        low = self.lowering
        handle, dtype, _ = self.arrays[what]
        if what[0] == "history_shape":
            source = _type_list(self.node, "Thistory")[what[1]]
            value = low.add(self.context, "Shape", low.unique(f"{self.base}history_shape/Shape"), [value],
                            T=("type", source), out_type=("type", int64))
        inside = self.context.inside(handle, resource)
        return low.add(self.context, "TensorArrayWriteV3", low.unique(f"{self.base}{what[0]}/TensorArrayWriteV3"),
                       [inside, index, value, flow], T=("type", dtype))
