"""Functions of a library: graphs with branches and loops go out and come back, and can still be differentiated."""
import numpy as np
import pytest
from google.protobuf import text_format

import thalweg as tf


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def branch(x):
    return tf.cond(x[0] > 0, lambda: (x * x, x + 1), lambda: (tf.sin(x), x * 3))[0]


def loop(x):
    return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * x + tf.cast(i, tf.float32)), (0, x))[1]


def growing(x):
    return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.concat([v, v * x[0]], 0)), (0, x),
                         shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])))[1]


def nested(x):
    def body(i, v):
        inner = tf.while_loop(lambda j, w: j < i, lambda j, w: (j + 1, w * 1.5 + x), (0, v))[1]
        return i + 1, tf.cond(tf.reduce_sum(inner) > 10, lambda: inner / 2, lambda: inner + v)
    return tf.while_loop(lambda i, v: i < 4, body, (0, x))[1]


def mapped(x):
    return tf.map_fn(lambda v: tf.tanh(v) * x, x)


def scanned(x):
    return tf.scan(lambda a, v: a * v + tf.reduce_sum(x), x)


def arrays(x):
    array = tf.TensorArray(tf.float32, 3, clear_after_read=False)
    array = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, x * tf.cast(i, tf.float32))),
                          (0, array))[1]
    return array.stack() * 2


def with_variable(x):
    v = tf.Variable([1.5, 2.5], name="v")
    return tf.cond(x[1] > 0, lambda: v * x, lambda: tf.while_loop(
        lambda i, w: i < 2, lambda i, w: (i + 1, w * v), (0, x))[1])


def updating(x):
    v = tf.Variable([1.5, 2.5], name="v")

    def body(i, w):
        with tf.control_dependencies([v.assign_add(w)]):
            return i + 1, w * v.read_value()
    return tf.while_loop(lambda i, w: i < 2, body, (0, x))[1]


def random_inside(x):
    return tf.cond(x[0] > 0, lambda: x * tf.random_uniform([2], seed=3), lambda: x)


PROGRAMS = [branch, loop, growing, nested, mapped, scanned, arrays, with_variable, updating, random_inside]
FEEDS = [np.array([1.5, -0.5], np.float32), np.array([-1.0, 2.0], np.float32)]


def values(y, dx):
    found = []
    for feed in FEEDS:
        with tf.Session() as session:
            session.run(tf.get_default_graph().get_collection("init"))
            found.append(session.run([t for t in (y, dx) if t is not None], {"x:0": feed}))
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("where", ["before", "after"])
def test_programs_come_back(program, where, graph):
    """The same values; the gradient made before the graph was written, or of what was read."""
    x = tf.placeholder(tf.float32, [2], name="x")
    y = program(x)
    tf.add_to_collection("init", tf.global_variables_initializer())
    graph.seed = 7
    dx = tf.gradients(y, x)[0]
    expected = values(y, dx)
    if where == "before":
        message, names = graph.as_graph_def(add_shapes=True), [y.name, dx.name]
    else:
        with tf.Graph().as_default() as other:
            y = program(tf.placeholder(tf.float32, [2], name="x"))
            init = tf.global_variables_initializer()
        message, names = other.as_graph_def(add_shapes=True), [y.name]
    init = graph.get_collection("init")[0].name if where == "before" else init.name
    with tf.Graph().as_default() as again:
        outputs = tf.import_graph_def(message, name="", return_elements=[*names, init])
        tf.add_to_collection("init", outputs.pop())
        if where == "after":
            outputs.append(tf.gradients(outputs[0], again.get_tensor_by_name("x:0"))[0])
        if program is not random_inside:
            found = values(*outputs)
            for a, b in zip(expected, found):
                for want, got in zip(a, b):
                    np.testing.assert_allclose(got, want, rtol=1e-6)
        assert outputs[0].shape.as_list() == y.shape.as_list()
        once = again.as_graph_def()
    with tf.Graph().as_default() as third:
        tf.import_graph_def(once, name="")
        if where == "before":                              # no growth from one round to the next
            assert len(third.as_graph_def().SerializeToString()) == len(once.SerializeToString())


# --- functions as TensorFlow 1.15 and 2.x write them ------------------------------------------------

FLOAT = 'attr { key: "T" value { type: DT_FLOAT } } '
INPUT = 'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } ' \
        'attr { key: "shape" value { shape { } } } } '
TWICE = f"""function {{
  signature {{ name: "twice_7" input_arg {{ name: "a" type: DT_FLOAT }} output_arg {{ name: "b" type: DT_FLOAT }} }}
  node_def {{ name: "sum" op: "AddV2" input: "a" input: "a" {FLOAT} }}
  ret {{ key: "b" value: "sum:z:0" }} }} """
NEGATED = TWICE.replace("twice_7", "negated_1").replace("AddV2", "Neg").replace(' input: "a" attr', " attr") \
    .replace("sum:z:0", "sum:y:0")


def run(text, fetch, feeds):
    tf.import_graph_def(text_format.Parse(text, tf.GraphDef()), name="")
    with tf.Session() as session:
        return [session.run(fetch, feed) for feed in feeds]


def test_an_if_on_a_number():
    text = INPUT + """node { name: "if" op: "StatelessIf" input: "x" input: "x"
        attr { key: "Tcond" value { type: DT_FLOAT } } attr { key: "Tin" value { list { type: DT_FLOAT } } }
        attr { key: "Tout" value { list { type: DT_FLOAT } } }
        attr { key: "output_shapes" value { list { shape { } } } }
        attr { key: "then_branch" value { func { name: "twice_7" } } }
        attr { key: "else_branch" value { func { name: "negated_1" } } } } library { """ + TWICE + NEGATED + "}"
    assert run(text, "if:0", [{"x:0": 3.0}, {"x:0": 0.0}]) == [6, 0]
    assert tf.get_default_graph().get_tensor_by_name("if:0").shape == []


CONDITION = f"""function {{
  signature {{ name: "small" input_arg {{ name: "v" type: DT_FLOAT }} output_arg {{ name: "c" type: DT_BOOL }} }}
  node_def {{ name: "limit" op: "Const" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
    attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{ }} float_val: 100 }} }} }} }}
  node_def {{ name: "less" op: "Less" input: "v" input: "limit:output:0" {FLOAT} }}
  ret {{ key: "c" value: "less:z:0" }} }} """


def test_a_while_whose_inputs_are_all_loop_variables():
    text = INPUT + """node { name: "loop" op: "StatelessWhile" input: "x"
        attr { key: "T" value { list { type: DT_FLOAT } } }
        attr { key: "cond" value { func { name: "small" } } } attr { key: "body" value { func { name: "twice_7" } } }
        attr { key: "parallel_iterations" value { i: 10 } } } library { """ + TWICE + CONDITION + "}"
    assert run(text, "loop:0", [{"x:0": 3.0}, {"x:0": 200.0}]) == [192, 200]
    graph = tf.get_default_graph()
    dx, = tf.gradients(graph.get_tensor_by_name("loop:0"), graph.get_tensor_by_name("x:0"))
    with tf.Session() as session:
        assert session.run(dx, {"x:0": 3.0}) == 64


@pytest.mark.parametrize("call", ["twice_7", "PartitionedCall"])
def test_calls(call):
    attrs = 'attr { key: "f" value { func { name: "twice_7" } } } ' \
            'attr { key: "Tin" value { list { type: DT_FLOAT } } } ' \
            'attr { key: "Tout" value { list { type: DT_FLOAT } } } ' if call == "PartitionedCall" else ""
    text = INPUT + f'node {{ name: "call" op: "{call}" input: "x" {attrs} }} library {{ {TWICE} }}'
    assert run(text, "call:0", [{"x:0": 3.0}]) == [6]
    assert "call/sum" in [op.name for op in tf.get_default_graph().get_operations()]


def call_of(name, n_calls, inner):
    """A function that adds calls of another."""
    nodes = "".join(f'node_def {{ name: "n{k}" op: "{inner}" input: "a" }} ' for k in range(n_calls))
    return f'function {{ signature {{ name: "{name}" input_arg {{ name: "a" type: DT_FLOAT }} ' \
           f'output_arg {{ name: "b" type: DT_FLOAT }} }} {nodes} ret {{ key: "b" value: "n0:b:0" }} }} '


@pytest.mark.parametrize("library, text", [
    (call_of("f", 1, "f"), "is nested more than 100 deep, or in itself"),
    (call_of("f", 1, "g") + call_of("g", 1, "f"), "is nested more than 100 deep"),
    (call_of("f", 1000, "g") + call_of("g", 1000, "h") + call_of("h", 1000, "twice_7") + TWICE,
     "more than 6.* nodes"),
    (call_of("f", 1, "NoSuchOp"), "Op type not registered 'NoSuchOp'"),
    (TWICE.replace("twice_7", "f").replace('"sum:z:0"', '"zz:z:0"'), "invalid output 0 of source node zz"),
    (TWICE.replace("twice_7", "f").replace("ret {", "control_ret {"), "does not say what its output 'b' is"),
    (TWICE.replace("twice_7", "f").replace('name: "a" type: DT_FLOAT', 'name: "a" type: DT_INT32'),
     "as argument 'a' of function 'f', which is int32"),
    (TWICE.replace("twice_7", "f").replace("input_arg", 'input_arg { name: "q" type: DT_FLOAT } input_arg'),
     "passes 1 values to function 'f', which takes 2")])
def test_libraries_that_are_not_valid(library, text, graph):
    message = INPUT + 'node { name: "call" op: "f" input: "x" } library { ' + library + "}"
    with pytest.raises(tf.errors.OpError, match=text):
        tf.import_graph_def(text_format.Parse(message, tf.GraphDef()))
    assert not graph.get_operations()


@pytest.mark.parametrize("change, text", [
    (("small", "nothing"), "Function 'nothing' is not defined in the graph's library"),
    (('func { name: "small" }', "i: 3"), "attr 'cond' must name a function"),
    (('func { name: "small" }', 'func { name: "twice_7" }'), "the function 'cond' of a loop must give one bool"),
    (('body" value { func { name: "twice_7"', 'body" value { func { name: "small"'), "loop variable 0 is float32")])
def test_loops_that_are_not_valid(change, text):
    message = INPUT + """node { name: "loop" op: "While" input: "x" attr { key: "T" value { list { type: DT_FLOAT } } }
        attr { key: "cond" value { func { name: "small" } } } attr { key: "body" value { func { name: "twice_7" } } } }
        """
    message = message.replace(*change) + "library { " + TWICE + CONDITION + "}"
    with pytest.raises(tf.errors.OpError, match=text):
        tf.import_graph_def(text_format.Parse(message, tf.GraphDef()))
