"""From `If` and `While` to Switch, Merge, Enter and Exit: a graph as TensorFlow 1.x's tools expect it in a file.

Names are TensorFlow's where it has names: the identities `cond/Merge` and `while/Exit` become the Merge and the Exit,
the nodes around them `cond/pred_id`, `cond/switch_t`, `while/LoopCond`, `while/Identity`. What each iteration of a
loop leaves for the gradient is kept in TensorArrays. Outputs that nobody takes are left out, and what only they need.
"""
import numpy as np

from thalweg.framework import errors

from ...tensor_proto import tensor_proto
from ..graph_def import set_attr
from .contexts import Context, finished
from .levels import has_effect
from .lists import LIST_OPS, ElementTypes, ListWriter
from .lowered_ops import Branches, Loop, plain, type_list
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
        from ...protos import GraphDef
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
        inputs = [scope.known[plain(i)] for i in node.input if not i.startswith("^")]
        controls = self.controls_of(scope, node)
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

    def controls_of(self, scope, node):
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
        n_vars = len(type_list(node, "Tvars", "T"))
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
            Branches(self, scope, node, uses.plans[node.name]).write()
        else:
            Loop(self, scope, node, uses.plans[node.name]).write()

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
            used = {plain(i) for n in nodes for i in n.input} | {plain(r) for r in results}
            for name, argument in zip(names, arguments):
                if name in used:
                    known[name] = argument()
            scope = _Scope(context, known, function.signature.name)
            self._write_nodes(scope, nodes, _WithResults(nodes, results))
            finish([scope.known[plain(r)] for r in results])
        self.jobs.append(job)


class _WithResults(list):
    """Nodes of a function, with what the function gives."""

    def __init__(self, nodes, results):
        super().__init__(nodes)
        self.results = results


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


def _outputs_of(node):
    """(word for a name, keys(is_graph)) of each output of an `If` or `While`."""
    if node.op in _IFS:
        parts = [("output", len(type_list(node, "Tout")))]
    else:
        n_history = len(type_list(node, "Thistory"))
        parts = [("output", len(type_list(node, "Tvars", "T")))]
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
                    self._taken.add(plain(text))
            if node.op == "Identity" and len(node.input) == 1:
                self._identities.setdefault(plain(node.input[0]), node)
        self._taken.update(plain(r) for r in getattr(all_nodes, "results", ()))

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
