"""Expressions that TensorFlow 1.15 and thalweg both build: `record_tf1.py` keeps what TensorFlow made of them.

Each sees `tf`, `np` and the placeholders below. `run(expression, tf)` gives the nodes that it added, the dtypes and
shapes of its results, and their values for fixed feeds; or the kind of its error.
"""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
EXPRESSIONS = (HERE / "data" / "expressions.txt").read_text().splitlines()

PLACEHOLDERS = {"x": ("float32", [2, 3]), "u": ("float32", [None, 3]), "n": ("float32", None), "i": ("int32", [2, 3]),
                "b": ("bool", [2, 3]), "s32": ("int32", []), "im": ("float32", [2, 8, 8, 3]),
                "iu": ("float32", [None, None, None, 3]), "f": ("float32", [3, 3, 3, 4]),
                "df": ("float32", [3, 3, 3, 2]), "v": ("float32", [2, 5, 6, 7, 3]), "vf": ("float32", [3, 3, 3, 3, 4]),
                "sg": ("float32", [2, 9, 3]), "sf": ("float32", [3, 3, 4]), "lo": ("float32", [4, 5]),
                "lb": ("float32", [4, 5]), "il": ("int32", [4]), "lu": ("float32", [None, 5]), "ln": ("float32", None),
                "c3": ("float32", [3]), "c4": ("float32", [4]), "l3": ("float32", [2, 3, 5])}
_SHAPES = {"u": [4, 3], "n": [2, 3], "iu": [2, 8, 8, 3], "lu": [4, 5], "ln": [4, 5]}
LARGEST = 200                                    # elements of a result whose values are kept


def feeds():
    """Positive floats, integers 1 and 2, alternating bools."""
    rng = np.random.RandomState(7)
    result = {}
    for name, (dtype, shape) in PLACEHOLDERS.items():
        shape = _SHAPES.get(name, shape)
        if dtype == "bool":
            result[name] = np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0
        else:
            result[name] = (rng.randint(1, 3, shape) if dtype == "int32" else rng.uniform(0.1, 2.0, shape)).astype(
                dtype)
    return result


def run(expression, tf):
    with tf.Graph().as_default() as graph:
        given = {name: tf.compat.v1.placeholder(dtype, shape, name) for name, (dtype, shape) in PLACEHOLDERS.items()}
        before = len(graph.get_operations())
        try:
            result = eval(expression, {"tf": tf.compat.v1, "np": np, "ph": tf.compat.v1.placeholder, **given})
        except Exception as error:
            kind = next(k for k in (TypeError, ValueError, LookupError, Exception) if isinstance(error, k))
            return {"error": kind.__name__}
        nodes = [f"{op.type}:{op.name}" for op in graph.get_operations()[before:]]
        tensors = list(_flat(result, tf))
        found = {"nodes": nodes, "results": [[t.dtype.base_dtype.name, _shape(t)] for t in tensors]}
        with tf.compat.v1.Session(graph=graph) as session:
            try:
                values = session.run(tensors, {given[k]: v for k, v in feeds().items()})
            except Exception:
                return found
        if sum(np.size(v) for v in values) <= LARGEST:
            found["values"] = [_plain(v) for v in values]
        return found


def _flat(value, tf):
    if isinstance(value, tf.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item, tf)


def _shape(tensor):
    return None if tensor.shape.ndims is None else tensor.shape.as_list()


def _plain(value):
    value = np.asarray(value, object if isinstance(value, bytes) else None)
    if value.dtype.kind == "O":
        return [v.decode("latin1") for v in value.ravel()]
    if value.dtype.kind == "c":
        return [[float(f"{v.real:.8g}"), float(f"{v.imag:.8g}")] for v in value.ravel()]
    return [float(f"{v:.8g}") for v in value.ravel().astype(float)]
