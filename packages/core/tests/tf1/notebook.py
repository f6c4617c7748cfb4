"""What a program did: values, texts, node counts and the nodes of the graph, in a form that JSON can hold."""
import json
import re

import numpy as np

# Nodes of TensorFlow's loops and branches, and of what is built of them; ours are function graphs.
_CONTROL = ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond", "RefSwitch", "If", "While")


class Notebook:
    def __init__(self, tf):
        self.tf, self.lines, self.session, self.keeps_nodes = tf, [], None, True

    def value(self, fetch, feed=None):
        graph = self.tf.get_default_graph()
        if self.session is None:
            with graph.name_scope("notebook"):
                init = self.tf.group(self.tf.global_variables_initializer(), self.tf.local_variables_initializer())
            self.session = self.tf.Session()
            self.session.run(init)
        found = self.session.run(fetch, feed)
        found = list(found) if isinstance(found, (list, tuple)) else [found]
        self.lines.append(["value", [_plain(v) for v in found]])

    def text(self, item):
        text = re.sub(r"0x[0-9a-f]+", "0x", str(item).replace("b'loc:", "'loc:"))
        self.lines.append(["text", text])

    def without_nodes(self):
        """The nodes are neither kept nor compared."""
        self.keeps_nodes = False

    def ids(self):
        self.lines.append(["ids", self.tf.get_default_graph()._last_id])


def _plain(value):
    array = np.asarray(value)
    if array.dtype == object:
        array = np.array([v.decode() for v in array.ravel()]).reshape(array.shape)
    return [str(array.dtype.name if array.dtype.kind != "U" else "string"), array.tolist()]


def run_program(program, tf):
    """{"lines": what the notebook holds, "nodes": [type, name] of each node that is no control flow}."""
    with tf.Graph().as_default() as graph:
        note = Notebook(tf)
        program(tf, note)
        if note.session is not None:
            note.session.close()
        nodes = [[op.type, op.name] for op in graph.get_operations()
                 if note.keeps_nodes and op.type not in _CONTROL and not op.name.startswith("notebook")]
    return json.loads(json.dumps({"lines": note.lines, "nodes": nodes}))
