"""The nodes around frozen variables: what took a variable's handle or reference takes its value.

Works on a graph and on the functions that its nodes call, which differ in how inputs are named: `node:1` in a graph,
`node:output_arg:0` or the name of an argument in a function.
"""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY

from ..tensor_proto import tensor_proto
from .node_map import as_input, sorted_by_data

_RESOURCE = 20

_PASSING = {"Identity": ("output",), "Switch": ("output_false", "output_true"), "Merge": ("output", "value_index"),
            "Enter": ("output",), "Exit": ("output",), "NextIteration": ("output",)}
_OF_REFERENCES = {f"Ref{name}": name for name in _PASSING}
_WITH_CONDITION = ("If", "StatelessIf", "Case", "StatelessCase")       # their functions take inputs from the second on
_TYPES_OF_INPUTS = ("Tin", "T")            # list(type) attributes of ops with functions


class FrozenNodes:
    """Converts the nodes of a graph and of functions.

    Attributes
    ----------
    library : FunctionDefLibrary        with the converted functions
    """

    def __init__(self, library):
        self.library = type(library)()
        self.library.CopyFrom(library)
        self._originals = {f.signature.name: f for f in library.function}
        self._made, self._places = {}, {f.signature.name: i for i, f in enumerate(library.function)}

    def of_graph(self, graph_def, constants):
        """The nodes of `graph_def`, with `constants` {name: NodeDef} in the place of variables."""
        if not constants:
            return list(graph_def.node)
        values = {name: node.attr["dtype"].type for name, node in constants.items()}
        body = _Body(self, values, is_function=False)
        converted = {}
        for node in sorted_by_data(graph_def.node):
            converted[node.name] = [constants[node.name]] if node.name in constants else body.converted(node)
        return [new for node in graph_def.node for new in converted[node.name]]

    def function(self, name, types):
        """The name of function `name` with arguments {index: type number} that are values now.

        The first such form keeps the function's name, another one gets a name of its own.
        """
        if name not in self._originals:
            raise errors.NotFoundError(None, None, f"function {name} is not in the graph's library")
        key = name, tuple(sorted(types.items()))
        if key not in self._made:
            is_first = not any(made == name for made, _ in self._made)
            self._made[key] = name if is_first else f"{name}_frozen_{len(self._made)}"
            place = self._places[name] if is_first else len(self.library.function)
            if not is_first:
                self.library.function.add()
            self.library.function[place].CopyFrom(self._converted_function(name, types, self._made[key]))
        return self._made[key]

    def _converted_function(self, name, types, new_name):
        function = type(self._originals[name])()
        function.CopyFrom(self._originals[name])
        signature = function.signature
        signature.name = new_name
        values = {}
        for index, number in types.items():
            argument = signature.input_arg[index]
            argument.type, argument.is_ref = number, False
            argument.ClearField("handle_data")
            values[argument.name] = number
        body = _Body(self, values, is_function=True)
        nodes = [new for node in sorted_by_data(function.node_def) for new in body.converted(node)]
        del function.node_def[:]
        function.node_def.extend(nodes)
        for argument in signature.output_arg:
            text = function.ret[argument.name] = body.renamed.get(function.ret[argument.name],
                                                                  function.ret[argument.name])
            if text in values:
                argument.type, argument.is_ref = values[text], False
        return function


class _Body:
    """The nodes of a graph or of a function, taken one after the other.

    Attributes
    ----------
    values : {text of an input: type number}        what was a handle or a reference and is a value now
    renamed : {old text: new text}                  of outputs whose op has changed
    """

    def __init__(self, owner, values, is_function):
        self.owner, self.values, self.is_function, self.renamed = owner, values, is_function, {}

    def converted(self, node):
        """The nodes that replace `node`: often itself."""
        texts = [self._plain(text) for text in node.input]
        taken = {i: self.values[text] for i, text in enumerate(texts) if text in self.values}
        if not taken and not any(text in self.renamed for text in texts):
            return [node]
        copy = type(node)()
        copy.CopyFrom(node)
        for i, text in enumerate(texts):
            if text in self.renamed:
                copy.input[i] = self.renamed[text]
        return self._with_values(copy, taken) if taken else [copy]

    def _plain(self, text):
        return text if self.is_function else text.removesuffix(":0")

    def _output(self, node, index, argument):
        return f"{node.name}:{argument}:0" if self.is_function else as_input(node.name, index)

    # --- what takes the variable ----------------------------------------------------------------------

    def _with_values(self, node, taken):
        number = next(iter(taken.values()))
        if node.op in _PASSING or node.op in _OF_REFERENCES:
            return [self._passing(node, number)]
        if any(attr.HasField("func") or attr.list.func for attr in node.attr.values()):
            return [self._calling(node, taken)]
        convert = _CONVERSIONS.get(node.op)
        if convert is not None:
            return convert(self, node, number)
        self._check_only_reads(node, taken)
        return [node]

    def _passing(self, node, number):
        was_resource = node.attr["T"].type == _RESOURCE
        if was_resource or node.op in _OF_REFERENCES:
            node.op = _OF_REFERENCES.get(node.op, node.op)
            node.attr["T"].type = number
            for index, argument in enumerate(_PASSING[node.op]):
                if argument != "value_index":
                    self.values[self._output(node, index, argument)] = number
        return node

    def _calling(self, node, taken):
        first = 1 if node.op in _WITH_CONDITION else 0
        types = {i - first: number for i, number in taken.items()}
        for attr in node.attr.values():
            for called in [attr.func] if attr.HasField("func") else attr.list.func:
                called.name = self.owner.function(called.name, types)
        for name in _TYPES_OF_INPUTS:
            stored = node.attr[name].list.type if name in node.attr else ()
            for i, number in types.items():
                if i < len(stored):
                    self._pass_through_loop(node, i, stored[i], number)
                    stored[i] = number
        return node

    def _pass_through_loop(self, node, index, was, number):
        """A handle that a loop carries comes out of it again."""
        if node.op in ("While", "StatelessWhile") and was == _RESOURCE:
            self.values[f"{node.name}:output:{index}" if self.is_function else as_input(node.name, index)] = number

    def _check_only_reads(self, node, taken):
        declaration = REGISTRY.get(node.op)
        wanted = list(declaration.wants_ref) if declaration else []
        is_written = any(i < len(wanted) and wanted[i] for i in taken)
        if is_written or declaration is None or node.op.startswith(("Resource", "AssignVariable", "AssignAddVariable",
                                                                    "AssignSubVariable")):
            raise errors.InvalidArgumentError(
                None, None, f"node {node.name} ({node.op}) takes the variable itself from input "
                f"'{node.input[next(iter(taken))]}' and cannot work on a constant: leave the variable out by "
                "variable_names_blacklist, or choose outputs that do not need this node")


# --- ops that take handles ------------------------------------------------------------------------------

def _read(body, node, number):
    body.renamed[f"{node.name}:value:0"] = f"{node.name}:output:0"
    return [_made(node, "Identity", node.input, T=number)]


def _gather(body, node, number):
    indices = node.attr["Tindices"].type
    axis = type(node)(name=f"{node.name}/axis", op="Const", device=node.device)
    axis.attr["dtype"].type = 3
    axis.attr["value"].tensor.CopyFrom(tensor_proto(np.array(0, np.int32)))
    text = f"{axis.name}:output:0" if body.is_function else axis.name
    made = _made(node, "GatherV2", [*node.input[:2], text, *node.input[2:]], Tparams=number, Tindices=indices, Taxis=3)
    made.attr["batch_dims"].i = node.attr["batch_dims"].i
    return [axis, made]


def _gather_nd(body, node, number):
    return [_made(node, "GatherNd", node.input, Tparams=number, Tindices=node.attr["Tindices"].type)]


def _shape(body, node, number):
    return [_made(node, "Shape", node.input, T=number, out_type=node.attr["out_type"].type or 3)]


def _is_initialized(body, node, number):
    body.renamed[f"{node.name}:is_initialized:0"] = f"{node.name}:output:0"
    made = _made(node, "Const", [text for text in node.input if text.startswith("^")], dtype=10)
    made.attr["value"].tensor.CopyFrom(tensor_proto(np.array(True)))
    return [made]


def _made(node, op, inputs, **types):
    made = type(node)(name=node.name, op=op, device=node.device, input=inputs)
    for name, number in types.items():
        made.attr[name].type = number
    return made


_CONVERSIONS = {"ReadVariableOp": _read, "ResourceGather": _gather, "ResourceGatherNd": _gather_nd,
                "VariableShape": _shape, "VarIsInitializedOp": _is_initialized,
                "IsVariableInitialized": _is_initialized}
