"""If, While and lists of tensors as table rows: every device, both derivatives. More in tests/control_flow."""
import thalweg as tf
from thalweg.testing.samples import reals
from thalweg.testing.table import Row


def branch(x):
    return tf.cond(tf.size(x) > 3, lambda: tf.sin(x) * x, lambda: x * 2)


def loop(x):
    return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.sin(a) * x), [0, x])[1]


def rows(x):
    return tf.map_fn(lambda row: row * row[0], x)


def running(x):
    return tf.scan(lambda a, row: tf.sin(a) + row, x)


def array(x):
    listed = tf.TensorArray(x.dtype, 4).unstack(x)
    return listed.write(3, listed.read(0) * listed.read(1)).stack()


def array_in_loop(x):
    def body(i, out):
        return i + 1, out.write(i, tf.sin(x[i]) * x[0])
    return tf.while_loop(lambda i, out: i < 3, body, [0, tf.TensorArray(x.dtype, 3)])[1].stack()


def array_parts(x):
    parts = tf.TensorArray(x.dtype, 2, infer_shape=False).split(x, [1, 2])
    return parts.concat() * parts.read(1)[0]


def array_rows(x):
    listed = tf.TensorArray(x.dtype, 3).scatter([2, 0, 1], x)
    return listed.gather([0, 0, 2]) * tf.cast(listed.size(), x.dtype)


FLOATS = ["float32", "float64"]
ROWS = [
    Row(branch, reals(3, 2), dtypes=FLOATS),
    Row(branch, reals(1, 2), dtypes=FLOATS),
    Row(loop, reals(3), dtypes=FLOATS),
    Row(rows, reals(3, 2), dtypes=FLOATS, unknown="dimensions"),
    Row(running, reals(3, 2), dtypes=FLOATS, unknown="dimensions"),
    *[Row(f, reals(3, 2), dtypes=FLOATS, unknown="dimensions")
      for f in (array, array_in_loop, array_parts, array_rows)],
]
