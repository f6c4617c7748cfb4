"""How a user reads a file of each kind, by public names; done with damaged and malicious files, in new processes."""
import contextlib
import logging
import os

import numpy as np

import thalweg as tf

TAGS = ["serve"]


def prepare():
    logging.getLogger("thalweg").setLevel(logging.CRITICAL)
    tf.Session(graph=tf.Graph()).close()


def read(kind, path, case=None):
    """Reads a file as its kind; gives a short text on what was found, None for nothing."""
    return READERS[kind](path, case or {})


def checkpoint(path, case):
    reader = tf.train.NewCheckpointReader(path)
    shapes = reader.get_variable_to_shape_map()
    reader.get_variable_to_dtype_map()
    return _summary({name: reader.get_tensor(name) for name in case.get("tensors", sorted(shapes))})


def state(folder, case):
    return tf.train.latest_checkpoint(folder)


def graph(path, case):
    definition = tf.GraphDef()
    with open(path, "rb") as file:
        data = file.read()
    try:
        definition.ParseFromString(data)
    except Exception as error:                       # protobuf's own error: what a program sees that parses by itself
        if type(error).__name__ == "DecodeError":
            raise ValueError(f"{path} is no GraphDef: {error}") from error
        raise
    with tf.Graph().as_default() as made:
        tf.import_graph_def(definition, name="")
        if case.get("run"):
            return _run_some(made)
        if case.get("fetch") is None or case.get("expect") == "policy":
            return f"{len(made.get_operations())} operations"
        with tf.Session() as session:
            feed = {name: np.ones(shape, np.float32) for name, shape in case.get("feed", {}).items()}
            return _summary({"": session.run(case["fetch"], feed)})


def _run_some(graph):
    """Runs three operations of a graph, for 0.3 s each at most; placeholders are fed ones."""
    operations = graph.get_operations()
    feed = {op.outputs[0]: np.ones([d or 2 for d in op.outputs[0].shape.as_list()], op.outputs[0].dtype.as_numpy_dtype)
            for op in operations if op.type == "Placeholder" and _is_small(op.outputs[0])}
    options = tf.RunOptions(timeout_in_ms=300)
    with tf.Session() as session:
        for op in operations[-1::-max(len(operations) // 3, 1)][:3]:
            with contextlib.suppress(tf.errors.OpError):
                results = [t for t in op.outputs if t not in feed and t.dtype.as_numpy_dtype is not None]
                session.run(results or op, feed, options)
    return f"{len(operations)} operations"


def _is_small(tensor):
    return tensor.shape.ndims is not None and np.prod([float(d or 2) for d in tensor.shape.as_list()]) < 1e5


def meta_graph(path, case):
    with tf.Graph().as_default() as made:
        tf.train.import_meta_graph(path)
        return f"{len(made.get_operations())} operations"


def tfrecord(path, case):
    options = tf.python_io.TFRecordOptions(getattr(tf.python_io.TFRecordCompressionType, case["compression"])) \
        if case.get("compression") else None
    return f"{sum(map(len, tf.python_io.tf_record_iterator(path, options)))} bytes"


def example(path, case):
    found = []
    for record in tf.python_io.tf_record_iterator(path):
        with tf.Graph().as_default(), tf.Session() as session:
            features = {"a": tf.FixedLenFeature([], tf.int64)}
            found.append(session.run(tf.parse_single_example(tf.constant(record), features)["a"]).tolist())
    return str(found)


def events(path, case):
    return f"{sum(1 for _ in tf.train.summary_iterator(path))} events"


def safetensors(path, case):
    from thalweg_io import arrays
    with arrays.open_safetensors(path) as file:
        return _summary({name: file.read(name) for name in file.names()})


def npz(path, case):
    from thalweg_io import arrays
    with arrays.open_npz(path) as file:
        return _summary({name: file.read(name) for name in file.names()})


def saved_model(path, case):
    with tf.Graph().as_default() as made, tf.Session() as session:
        tf.saved_model.loader.load(session, TAGS, path)
        return f"{len(made.get_operations())} operations"


READERS = {"v2": checkpoint, "v1": checkpoint, "state": state, "graph": graph, "meta_graph": meta_graph,
           "tfrecord": tfrecord, "example": example, "events": events, "safetensors": safetensors, "npz": npz,
           "saved_model": saved_model}


def _summary(arrays):
    """Names, types and shapes; every byte is looked at, as memory that nobody has written would be."""
    return ", ".join(f"{name}: {np.asarray(a).dtype} {list(np.shape(a))} {len(np.asarray(a).tobytes())}"
                     for name, a in sorted(arrays.items()))[:500]


def write_beside(folder):
    """Names of all files under a folder: nothing may appear there by reading."""
    return sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
