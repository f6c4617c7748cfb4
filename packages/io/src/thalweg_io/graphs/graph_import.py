"""`tf.import_graph_def`: the nodes of a GraphDef become operations of the default graph.

Nothing runs, and no file is touched, while a graph is imported; what an imported graph may do later is in
imported_files.py. Nodes are checked as TensorFlow checks them, and either all of them are added or none.
"""
import os
import sys

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.device_spec import merge_device
from thalweg.framework.graph import Operation, Tensor, get_default_graph, name_scope
from thalweg.framework.naming import VALID_OP_NAME

from . import old_ops, op_adapters, resource_import  # noqa: F401  (they register adapters)
from .function_import import FunctionUse, Library, add_call
from .graph_mark import Mark
from .imported_files import file_ops_allowed, guarded
from .node_attributes import MOST_DIMENSIONS, attributes_of, invalid
from .node_checks import check_inputs, check_versions, declared
from .node_order import ordered, parse_input, parsed_inputs

__all__ = ["file_ops_allowed", "graph_def_from", "import_graph_def", "read_graph_def"]

_CONTROL_FLOW = frozenset(f"{ref}{word}" for ref in ("", "Ref") for word in (
    "Switch", "Merge", "Enter", "Exit", "NextIteration")) | {"LoopCond"}
_SCALARS_SINCE = 24                         # producers before this wrote [] for an unknown shape of a placeholder


def import_graph_def(graph_def, input_map=None, return_elements=None, name=None, op_dict=None, producer_op_list=None):
    """Adds the nodes of a GraphDef to the default graph.

    Parameters
    ----------
    graph_def : GraphDef
    input_map : dict {str: Tensor}      "x:0" (or "x") or "^x" in the GraphDef -> what is taken instead
    return_elements : list of str       operations ("a") and tensors ("a:0") of the GraphDef to give back
    name : str                          name scope of what is added, "import" by default; "" adds under the own names
    op_dict : ignored, as in TensorFlow 1.15
    producer_op_list : OpList           the ops of the writer: the defaults of attributes that thalweg does not know

    Returns
    -------
    list of Operation and Tensor        one for each of `return_elements`; None without them

    Raises
    ------
    TypeError               for arguments of other types
    ValueError              (InvalidArgumentError) for a graph that is not valid; the message names the node
    NotFoundError           for an op that thalweg does not have
    """
    return_elements = _checked_elements(return_elements)
    importer = import_nodes(graph_def, input_map, name, producer_op_list)
    return None if return_elements is None else [importer.element(text) for text in return_elements]


def import_nodes(graph_def, input_map=None, name=None, producer_op_list=None):
    """As `import_graph_def`; gives the Importer."""
    graph_def = graph_def_from(graph_def)
    input_map = _checked_map(input_map)
    graph = get_default_graph()
    graph._check_not_finalized()
    with name_scope(name, "import", list(input_map.values())) as scope:
        input_map = _as_tensors(input_map, name)
    graph = get_default_graph()
    file = File(graph_def, producer_op_list)
    importer = Importer(file, file.message.node, graph, scope[:-1],
                        {parse_input(key): value for key, value in input_map.items()})
    importer.check_map()
    with graph._lock:
        try:
            importer.run()
        except RecursionError as error:
            raise errors.InvalidArgumentError(
                None, None, "the graph's functions are nested too deep for the stack that is left; import it from a "
                            f"less deep place, or raise sys.setrecursionlimit({sys.getrecursionlimit()})") from error
    return importer


def graph_def_from(message):
    """`message` as our GraphDef; that of another package (TensorFlow's) is taken over.

    Raises
    ------
    TypeError       for anything else
    """
    from ..protos import GraphDef, own
    return own(message, GraphDef, "graph_def must be a GraphDef proto.")


def read_graph_def(path):
    """The GraphDef in a file, `.pbtxt` in text form, else binary.

    Raises
    ------
    NotFoundError       without such a file
    DataLossError       when it holds no GraphDef
    """
    from ..protos import GraphDef, read_message
    return read_message(os.fspath(path), GraphDef)


def _checked_map(input_map):
    if input_map is None:
        return {}
    if not isinstance(input_map, dict) or not all(isinstance(key, str) for key in input_map):
        raise TypeError("input_map must be a dictionary mapping strings to Tensor objects.")
    return input_map


def _checked_elements(elements):
    if elements is None:
        return None
    if isinstance(elements, str) or not all(isinstance(item, str) for item in elements):
        raise TypeError("return_elements must be a list of strings.")
    return list(elements)


def _as_tensors(input_map, name):
    if all(isinstance(value, Tensor) for value in input_map.values()):
        return input_map
    if name == "":
        raise ValueError("tf.import_graph_def() requires a non-empty `name` if `input_map` contains non-Tensor "
                         "values. Try calling tf.convert_to_tensor() on `input_map` values before calling "
                         "tf.import_graph_def().")
    with name_scope("_inputs"):
        return {key: value if isinstance(value, Operation) else convert_to_tensor(value)
                for key, value in input_map.items()}


class File:
    """What holds for all nodes of one import, those of functions included.

    Attributes
    ----------
    message : GraphDef          with functional control flow
    library : Library
    producer : int              version of the writer
    defaults : dict             op type -> {attribute: AttrValue} of the writer
    """

    def __init__(self, message, producer_op_list=None):
        check_versions(message.versions)
        if old_ops.has_old_handles(_all_nodes(message)):
            message = old_ops.renewed(message)
        if any(node.op in _CONTROL_FLOW for node in _all_nodes(message)):
            message = _raised(message)
        self.message, self.library = message, Library(message.library)
        self.producer = message.versions.producer
        self.defaults = {op.name: {a.name: a.default_value for a in op.attr if a.HasField("default_value")}
                         for op in producer_op_list.op} if producer_op_list is not None else {}


class Importer:
    """Adds the nodes of a GraphDef, or of a function's body, to a graph.

    Attributes
    ----------
    file : File
    nodes : list of NodeDef
    graph : Graph               they are added to it
    prefix : str                the name scope, "" for none
    given : dict                (name, output) in the file -> the Tensor that is taken instead; output -1: control
    reference : callable        the text of an input -> (name, output)
    outputs : dict              node name -> list of the tensors that stand for its outputs
    operations : dict           node name -> Operation
    """

    def __init__(self, file, nodes, graph, prefix, given, reference=None):
        self.file, self.nodes, self.graph, self.prefix, self.given = file, nodes, graph, prefix, given
        self.is_body, self.reference = reference is not None, reference or parse_input
        self.outputs, self.operations = {}, {}
        self._names: dict = {}                               # name in the file -> in the graph, where they differ
        self._own_names = {node.name for node in nodes}

    def run(self):
        """Adds all nodes, or none."""
        nodes = self.nodes
        inputs = [parsed_inputs(node, self.reference) for node in nodes]
        order = ordered(nodes, inputs, self.given)
        self._choose_names()
        mark = Mark(self.graph, [self.full_name(node.name).lower() for node in nodes])
        try:
            for i in order:
                self._add(nodes[i], inputs[i])
            self._colocate()
        except BaseException:
            mark.undo()
            raise

    # --- what is taken from elsewhere -----------------------------------------------------------------

    def check_map(self):
        """Raises InvalidArgumentError where `given` names what the file does not have."""
        if not self.given:
            return
        taken = {pair for node in self.nodes for pair in parsed_inputs(node)}
        unused = [pair for pair in self.given if pair not in taken and pair[0] not in self._own_names]
        if unused:
            texts = ", ".join(f"^{name}" if output < 0 else f"{name}:{output}" for name, output in unused)
            raise errors.InvalidArgumentError(
                None, None, f"Attempted to map inputs that were not found in graph_def: [{texts}]")

    # --- names ----------------------------------------------------------------------------------------

    def _choose_names(self):
        """Where the graph has a name already, the node gets the next free one, as TensorFlow counts them."""
        for node in self.nodes:
            if not VALID_OP_NAME.match(node.name):
                raise invalid(node.name, "Node name contains invalid characters")
        taken = self.graph._by_name if self.is_body else _taken_names(self.graph, self.prefix)
        if not taken:
            return
        own = set(self._own_names)
        for node in self.nodes:
            if self._full(node.name) in taken:
                count = 1
                while self._full(f"{node.name}_{count}") in taken or f"{node.name}_{count}" in own:
                    count += 1
                self._names[node.name] = f"{node.name}_{count}"
                own.add(f"{node.name}_{count}")

    def _full(self, name):
        return f"{self.prefix}/{name}" if self.prefix else name

    def full_name(self, name):
        """The name in the graph of a node of the GraphDef."""
        return self._full(self._names.get(name, name))

    # --- adding a node ----------------------------------------------------------------------------------

    def _add(self, node, inputs):
        tensors = [self.tensor(name, output, node) for name, output in inputs if output >= 0]
        controls = [self._control(name) for name, output in inputs if output < 0]
        adapter = op_adapters.adapter_of(node.op)
        if node.op in self.file.library:
            op, outputs = add_call(self, node, tensors, controls, node.op)
        elif adapter is not None:
            op, outputs = adapter(self, node, tensors, controls)
        else:
            op = self.add_operation(node, node.op, tensors, controls)
            outputs = op.outputs
        self.operations[node.name], self.outputs[node.name] = op, outputs

    def add_operation(self, node, op_type, tensors, controls, attrs=None):
        """Adds the operation of a NodeDef, as an op of `op_type`; with `attrs` instead of the node's own."""
        declaration = declared(op_type)
        if attrs is None:
            attrs = attributes_of(node, op_type, self.file.defaults.get(node.op))
        functions = [name for name, attribute in declaration.attributes.items() if attribute.type == "func"]
        attrs.update({name: FunctionUse(self, node, attrs[name].name).graph_of_parameters()
                      for name in functions if name in attrs})
        shown = attrs.pop("_output_shapes", None)
        if op_type == "Placeholder" and attrs["shape"] == () and self.file.producer < _SCALARS_SINCE:
            attrs["shape"] = None
        check_inputs(declaration, attrs, tensors, node.name)
        op = self.make(declaration, tensors, attrs, self.full_name(node.name), node.name)
        self.finish(op, node, controls)
        if any(tensor._shape is not None and len(tensor._shape) > MOST_DIMENSIONS for tensor in op.outputs):
            raise invalid(node.name, f"{op_type} gives a tensor of more than {MOST_DIMENSIONS} dimensions")
        if shown:
            _take_shapes(op, shown)
        return op

    def make(self, declaration, tensors, attrs, name, node_name):
        """`Graph._make_op`, with every failure as an InvalidArgumentError about the node."""
        graph = self.graph
        try:
            op = graph._make_op(guarded(declaration), tensors, attrs, declaration._output_dtypes(attrs), name + "/")
        except errors.OpError:
            raise
        except ValueError as error:
            raise invalid(node_name, error) from error
        except Exception as error:                        # a shape rule that did not expect what a file can hold
            raise invalid(node_name, f"{declaration.name} cannot be made of these inputs and attributes "
                                     f"({type(error).__name__}: {error})") from error
        return op

    def making(self):
        """The context for adding operations by thalweg's own functions."""
        return self.graph.as_default()

    def finish(self, op, node, controls):
        """Gives an operation the name's mark, control inputs, colocation and device of its NodeDef."""
        self.graph._names._uses.setdefault(op.name.lower(), 1)
        _follow(op, controls)
        if "_class" in op.attrs:
            items = op.attrs["_class"]
            if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
                raise invalid(node.name, f"its attr '_class' must be a list of texts, not {str(items)[:100]}")
            op.attrs["_class"] = [self._colocation(item, node) for item in items]
        if node.device:
            try:
                op.device = merge_device(op.device, node.device)
            except ValueError as error:
                raise invalid(node.name, error) from error

    def tensor(self, name, output, node):
        """The tensor of the graph that an input (name, output) of `node` stands for."""
        given = self.given.get((name, output))
        if given is not None:
            return given
        outputs = self.outputs.get(name, ())
        if not 0 <= output < len(outputs):
            raise invalid(node.name, f"Connecting to invalid output {output} of source node {name} which has "
                                     f"{len(outputs)} outputs.")
        return outputs[output]

    def _control(self, name):
        given = self.given.get((name, -1))
        return self.operations[name] if given is None else getattr(given, "op", given)

    # --- devices ------------------------------------------------------------------------------------------

    def _colocation(self, item, node):
        if not item.startswith("loc:@"):
            return item
        name = item[5:]
        if name not in self._own_names:
            if self.is_body:                              # it stays outside
                return item
            raise invalid(node.name, f"expects to be colocated with unknown node '{name}'")
        return f"loc:@{self.full_name(name)}"

    def _colocate(self):
        """Operations take the device of what they are colocated with, whatever their own node says."""
        for op in self.operations.values():
            others = [self.graph._by_name.get(item[5:]) for item in op.attrs.get("_class", ()) if item[:5] == "loc:@"]
            others = [other for other in others if other is not None and other is not op]
            if others:
                op.device = next((other.device for other in others if other.device), "")

    # --- what the caller asked for --------------------------------------------------------------------------

    def element(self, text):
        """The Operation "a" or the Tensor "a:0" of the GraphDef."""
        name, colon, index = text.rpartition(":")
        if not colon:
            if text not in self.operations:
                raise ValueError(f"Requested return node '{text}' not found in graph def")
            return self.operations[text]
        if not index.isdecimal():
            raise ValueError(f"Cannot convert {text!r} to a tensor name.")
        pair = name, int(index)
        if pair in self.given:
            return self.given[pair]
        if name not in self.outputs:
            raise ValueError(f"Requested return tensor '{text}' not found in graph def")
        if pair[1] >= len(self.outputs[name]):
            raise ValueError(f"Invalid return output {pair[1]} of node '{name}', which has "
                             f"{len(self.outputs[name])} output(s)")
        return self.outputs[name][pair[1]]


def _take_shapes(op, shown):
    for k, (tensor, shape) in enumerate(zip(op.outputs, shown)):
        if tensor.dtype.kind in "rv":                     # a handle has had several shapes
            continue
        try:
            tensor._shape = shapes.merge(tensor._shape, shape)
        except ValueError as error:
            raise invalid(op.name, f"has an _output_shapes attribute inconsistent with the GraphDef for output #{k}: "
                                   f"{error}") from error


def _follow(op, controls):
    for control in controls:
        if control is not op and control not in op.control_inputs:
            op.control_inputs.append(control)
            control._control_outputs.append(op)


# --- the graph ------------------------------------------------------------------------------------------------

def _taken_names(graph, prefix):
    """Names under `prefix` that operations of the graph have, those of scopes around them included."""
    names = graph._by_name
    if prefix:
        inside = prefix + "/"
        names = [name for name in names if name.startswith(inside)]
    taken = set(names)
    for name in names:
        end = name.rfind("/")
        while end > 0 and name[:end] not in taken:
            taken.add(name[:end])
            end = name.rfind("/", 0, end)
    return taken


def _all_nodes(message):
    yield from message.node
    for function in message.library.function:
        yield from function.node_def


def _raised(message):
    """The GraphDef with functional control flow in the place of TensorFlow 1.x's Switch, Merge and Enter."""
    from .control_flow.raising import raised
    try:
        return raised(message)
    except errors.OpError:
        raise
    except Exception as error:                            # nodes in an order that no program makes
        raise errors.InvalidArgumentError(None, None, "the graph's Switch, Merge and Enter nodes are not those of a "
                                                      f"tf.cond or tf.while_loop ({type(error).__name__}: {error})"
                                          ) from error
