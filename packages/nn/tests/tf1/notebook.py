"""What a program did: values, texts, node counts and the nodes of the graph, in a form that JSON can hold."""
import json
import re

import numpy as np

# Nodes of TensorFlow's branches; ours are function graphs, and their results are called `cond/Merge` as well.
_BRANCHES = ("Switch", "Merge", "RefSwitch", "If", "PartitionedCall")

_KINDS = (TypeError, ValueError, AttributeError, KeyError, NotImplementedError, RuntimeError)


class Notebook:
    """Kept by a program while it runs.

    Attributes
    ----------
    lines : list        what was kept, in order
    compares_nodes, compares_collections : bool     whether the graph's are compared
    scope : str         name scope whose nodes are compared, "" for all
    """

    def __init__(self, tf):
        self.tf, self.lines, self.session = tf, [], None
        self.compares_nodes = self.compares_collections = True
        self.scope = ""

    def value(self, fetch, feed=None):
        """Keeps values; the first call initializes all variables."""
        found = self._started().run(fetch, feed)
        found = list(found) if isinstance(found, (list, tuple)) else [found]
        self.lines.append(["value", [_plain(v) for v in found]])

    def run(self, fetch, feed=None):
        """Runs without keeping anything."""
        self._started().run(fetch, feed)

    def _started(self):
        if self.session is None:
            graph = self.tf.get_default_graph()
            with graph.name_scope("notebook"):
                init = self.tf.group(self.tf.global_variables_initializer(), self.tf.local_variables_initializer())
            self.session = self.tf.Session()
            self.session.run(init)
        return self.session

    def text(self, item):
        """Keeps a text."""
        self.lines.append(["text", re.sub(r"0x[0-9a-f]+", "0x", str(item))])

    def ids(self):
        """Keeps the count of nodes, which default seeds depend on."""
        self.lines.append(["text", str(self.tf.get_default_graph()._last_id)])

    def error(self, function, *args, **kwargs):
        """Keeps the kind of error that a call raises."""
        try:
            function(*args, **kwargs)
        except Exception as error:
            kinds = () if isinstance(error, self.tf.errors.OpError) else _KINDS
            kind = next((k for k in kinds if isinstance(error, k)), type(error))
            self.lines.append(["text", f"raises {kind.__name__}"])
        else:
            self.lines.append(["text", "accepted"])

    def without_nodes(self, collections=True):
        """The nodes are not compared: gradients, branches and half-made layers are built of other nodes here."""
        self.compares_nodes, self.compares_collections = False, collections


    def only_nodes_of(self, scope):
        """The nodes of one name scope are compared: others hold branches, which TensorFlow builds of other nodes."""
        self.scope = scope

    def has(self, op):
        """Whether a node is to be compared."""
        is_inside = not self.scope or f"{op.name}/".startswith(f"{self.scope}/")
        return self.compares_nodes and is_inside and op.type not in _BRANCHES and not op.name.startswith("notebook")


def _plain(value):
    array = np.asarray(value)
    if array.dtype == object:
        array = np.array([v.decode() for v in array.ravel()]).reshape(array.shape)
    return [str(array.dtype.name if array.dtype.kind != "U" else "string"), array.tolist()]


def run_program(program, tf):
    """{"lines": what the notebook holds, "nodes": a text per node, "collections": their members' names}."""
    with tf.Graph().as_default() as graph:
        note = Notebook(tf)
        program(tf, note)
        if note.session is not None:
            note.session.close()
        nodes = [node_text(op) for op in graph.get_operations() if note.has(op)]
        collections = collections_of(graph) if note.compares_collections else {}
        found = {"lines": note.lines, "nodes": nodes, "collections": collections}
    return json.loads(json.dumps(found))


def node_text(op):
    """Type, name, inputs, control inputs, what it gives, groups of colocation and the device."""
    groups = [group.decode() if isinstance(group, bytes) else group for group in op.colocation_groups()]
    outputs = op.outputs[:5] if op.type == "FusedBatchNormV3" else op.outputs      # the last one is for its gradient
    parts = [op.type, op.name, "(" + ", ".join(t.name for t in op.inputs) + ")",
             " ".join("^" + c.name for c in op.control_inputs),
             "-> " + ", ".join(f"{t.dtype.name}{_shape(t)}" for t in outputs),
             " ".join(group for group in groups if group != "loc:@" + op.name), op.device]
    return " ".join(part for part in parts if part)


def _shape(tensor):
    shape = tensor.get_shape()
    return str(shape.as_list()) if shape.ndims is not None else "?"


def collections_of(graph):
    """Names of what is in each collection that holds anything with a name."""
    found = {}
    for key in graph.get_all_collection_keys():
        names = [item.name for item in graph.get_collection(key) if hasattr(item, "name")]
        if names and "cond_context" not in key and "while_context" not in key:
            found[key] = names
    return found
