"""Writes graphs as thalweg exports them, with what they give: for check_graphs.py, which TensorFlow runs.

    python write_graphs.py FOLDER           with thalweg
    python check_graphs.py FOLDER           with TensorFlow 1.15 or 2.x

`rows.npz` holds a GraphDef for each row and dtype of the op tables, `NAME.meta` programs in
training, `NAME.pb` and `NAME.pbtxt` the same as graphs.
"""
import pathlib
import sys

import numpy as np

import thalweg as tf
from thalweg.testing import tables
from thalweg.testing.table import Row

DIFFERENT = {                           # rows where TensorFlow's op is not what the table compares with
    "approximate_equal": "of integers, TensorFlow makes the tolerance an integer too",
    "dense_to_dense_set_operation": "the op takes matrices; rows of rank 1 are for the body alone",
    "round": "of complex numbers, TensorFlow has no kernel",
    "where [()]": "of a scalar, TensorFlow has no kernel"}


# --- rows of the op tables --------------------------------------------------------------------------

def rows():
    """(name, row) of each op table."""
    for family, table in tables.families().items():
        for k, row in enumerate(table):
            if isinstance(row, Row):
                yield f"{family}[{k}] {row.name}", row


def plain(array):
    """An array that an npz holds without pickle: strings as bytes of equal length."""
    array = np.asarray(array)
    return array.astype("S") if array.dtype.kind == "O" else array


def write_rows(folder):
    found = {}
    for name, row in rows():
        for dtype in row.dtypes_of():
            if dtype.name != "bfloat16" and not is_different(row, dtype):      # NumPy there has no bfloat16
                add_row(found, f"{name} {dtype.name}", row, dtype)
    np.savez_compressed(folder / "rows.npz", **{f"{i}/{key}": value for i, case in enumerate(found.values())
                                               for key, value in case.items()})
    print(f"{len(found)} graphs in rows.npz")


def is_different(row, dtype):
    name = next((name for name in DIFFERENT if row.name.startswith(name)), None)
    return name is not None and (dtype.is_complex or name != "round")


def add_row(found, name, row, dtype):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        feeds, fetches = row.build(dtype)
        fetches = [t for t in fetches if t.dtype.name != "bfloat16" and not t.dtype.is_ref_dtype]
        if not fetches:
            return
        arrays = row.draw(dtype)
        values = session.run(fetches, dict(zip(feeds, arrays)))
        message = tf.train.export_meta_graph(graph=graph).graph_def          # with TensorFlow 1.x's control flow
    case = {"name": np.array(name), "graph": np.frombuffer(message.SerializeToString(), np.uint8)}
    case.update({f"feed/{t.name}": plain(v) for t, v in zip(feeds, arrays)})
    case.update({f"fetch/{t.name}": plain(v) for t, v in zip(fetches, values)})
    found[name] = case


# --- programs ---------------------------------------------------------------------------------------

def convnet(optimizer, use_resource=False, partitioner=None):
    """A small network in training: convolution, batch norm, dropout, embedding, two optimizer steps a run."""
    images = tf.placeholder(tf.float32, [None, 8, 8, 2], name="images")
    words = tf.placeholder(tf.int64, [None], name="words")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    with tf.variable_scope("net", use_resource=use_resource, initializer=tf.random_uniform_initializer(-0.3, 0.3, 5)):
        x = tf.layers.conv2d(images, 4, 3, padding="same", activation=tf.nn.relu)
        x = tf.layers.batch_normalization(x, training=True)
        x = tf.layers.max_pooling2d(x, 2, 2)
        table = tf.get_variable("table", [10, 16], partitioner=partitioner)
        x = tf.layers.flatten(x) + tf.tile(tf.nn.embedding_lookup(table, words), [1, 4])
        logits = tf.layers.dense(x, 3)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), name="loss")
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = optimizer.minimize(loss, tf.train.get_or_create_global_step())
    tf.add_to_collection("train_op", train)
    tf.nn.softmax(logits, name="probabilities")


def optimizers():
    return {"adam": tf.train.AdamOptimizer(0.01), "momentum": tf.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True),
            "rmsprop": tf.train.RMSPropOptimizer(0.01, centered=True), "ftrl": tf.train.FtrlOptimizer(0.1),
            "adagrad": tf.train.AdagradOptimizer(0.1), "adadelta": tf.train.AdadeltaOptimizer(0.5),
            "descent": tf.train.GradientDescentOptimizer(0.1)}


def programs():
    for name, optimizer in optimizers().items():
        yield name, lambda optimizer=optimizer: convnet(optimizer)
    yield "resource", lambda: convnet(tf.train.AdamOptimizer(0.01), use_resource=True)
    yield "partitioned", lambda: convnet(tf.train.AdagradOptimizer(0.1),
                                         partitioner=tf.fixed_size_partitioner(3))


def batch(step):
    rng = np.random.RandomState(step)
    return {"images:0": rng.randn(6, 8, 8, 2).astype(np.float32), "words:0": rng.randint(0, 10, 6),
            "labels:0": rng.randint(0, 3, 6)}


def write_program(name, build, folder, values):
    """Two steps, a checkpoint, three steps more; then the same once more from the `.meta`, with thalweg."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        build()
        saver = tf.train.Saver()
        session.run(tf.global_variables_initializer())
        for step in range(2):
            session.run("loss:0", batch(step))
        saver.save(session, folder / name, write_state=False)
        train = tf.get_collection("train_op")[0]
        for step in range(2, 5):
            values[f"{name}/loss/{step}"] = session.run(["loss:0", train], batch(step))[0]
        for variable in tf.global_variables():
            values[f"{name}/final/{variable.name}"] = session.run(variable)
        tf.train.write_graph(graph, folder, f"{name}.pb", as_text=False)
        tf.train.write_graph(graph, folder, f"{name}.pbtxt")
    if name == "adam":                                         # what was imported goes out again as well
        with tf.Graph().as_default(), tf.Session() as session:
            saver = tf.train.import_meta_graph(folder / f"{name}.meta")
            saver.restore(session, folder / name)
            saver.save(session, folder / "again", write_state=False)
            values.update({key.replace("adam/", "again/"): v for key, v in list(values.items()) if key[:5] == "adam/"})


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = {}
    for name, build in programs():
        write_program(name, build, folder, values)
    np.savez_compressed(folder / "programs.npz", **values)
    write_rows(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
