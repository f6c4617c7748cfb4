"""TensorFlow 1.x's control flow, raised: what TensorFlow 1.15's graphs give, names, effects, and what is refused."""
import pathlib
import time

import numpy as np
import pytest

import thalweg as tf
from thalweg_io import protos
from thalweg_io.graphs.control_flow.nodes import V1_OPS
from thalweg_io.graphs.control_flow.raising import raised

FLOAT, INT32, BOOL = 1, 3, 10


def cases(own_folder):
    with np.load(own_folder / "control_flow" / "cases.npz") as values:
        return {key: values[key] for key in values.files}


@pytest.fixture(scope="module")
def values(request):
    return cases(request.path.parent / "data")


def names(folder):
    return sorted({key.split("/")[0] for key in cases(folder)})


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", names(pathlib.Path(__file__).parent / "data"))


def part(values, case, kind, run):
    start = f"{case}/{kind}/{run}/"
    return {key[len(start):]: value for key, value in values.items() if key.startswith(start)}


def graph_of(values, case):
    return protos.GraphDef.FromString(values[f"{case}/graph"].tobytes())


def test_values_of_tensorflow_graphs(values, case):
    """Each program of data/control_flow, gradients included, for all its feeds, in one session."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_of(values, case), name="")
        session.run("init")
        run = 0
        while part(values, case, "fetch", run):
            wanted = part(values, case, "fetch", run)
            found = session.run(list(wanted), part(values, case, "feed", run))
            for (name, want), have in zip(wanted.items(), found):
                assert np.asarray(have).dtype == want.dtype
                np.testing.assert_allclose(have, want, rtol=2e-5, atol=5e-6, err_msg=f"run {run}, {name}")
            run += 1
        assert run


def test_no_old_control_flow_is_left(values, case):
    message = graph_of(values, case)
    before = message.SerializeToString()
    result = raised(message)
    assert message.SerializeToString() == before
    nodes = [*result.node, *[n for f in result.library.function for n in f.node_def]]
    assert not [n.name for n in nodes if n.op in V1_OPS]
    used = [a.func.name for n in nodes for a in n.attr.values() if a.HasField("func")]
    assert sorted(used) == sorted(f.signature.name for f in result.library.function)
    assert {n.name for n in result.node} >= {n.name for n in message.node if n.op in ("Placeholder", "VariableV2")}


def test_the_golden_loop(golden):
    """While, TensorArray, cond and their gradients, as TensorFlow 2.21 wrote them."""
    folder = golden / "control_flow"
    with tf.Graph().as_default(), tf.Session() as session, np.load(folder / "loop_io.npz") as io:
        saver = tf.train.import_meta_graph(str(folder / "loop.ckpt-1.meta"))
        saver.restore(session, str(folder / "loop.ckpt-1"))
        for n in io["cases"]:
            found = session.run(["history:0", "result:0", "dw:0"], {"n:0": n, "x0:0": io[f"x0_{n}"]})
            for name, have in zip(("history", "result", "dw"), found):
                np.testing.assert_allclose(have, io[f"{name}_{n}"], rtol=1e-4, atol=1e-5)


# --- graphs by hand -----------------------------------------------------------------------------------------

class Hand:
    """A GraphDef under construction."""

    def __init__(self):
        self.message = protos.GraphDef()
        self.message.versions.producer = 134

    def add(self, name, op, *inputs, **attrs):
        node = self.message.node.add(name=name, op=op)
        node.input.extend(inputs)
        for key, value in attrs.items():
            attr = node.attr[key]
            if key in ("T", "dtype"):
                attr.type = value
            elif isinstance(value, bool):
                attr.b = value
            elif isinstance(value, int):
                attr.i = value
            elif isinstance(value, bytes):
                attr.s = value
        return name

    def placeholder(self, name, dtype=FLOAT):
        self.add(name, "Placeholder", dtype=dtype)
        return name

    def switch(self, name, x="x", pred="p"):
        return self.add(name, "Switch", x, pred, T=FLOAT)

    def merge(self, name, *inputs):
        return self.add(name, "Merge", *inputs, T=FLOAT, N=len(inputs))


@pytest.fixture
def hand():
    hand = Hand()
    hand.placeholder("x")
    hand.placeholder("p", BOOL)
    hand.placeholder("q", BOOL)
    return hand


def run(message, fetches, **feeds):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(message, name="")
        if "init" in session.graph._by_name:
            session.run("init")
        return session.run(fetches, {f"{k}:0": v for k, v in feeds.items()})


def test_a_graph_without_control_flow_is_itself(hand):
    assert raised(hand.message) is hand.message


def test_the_numbers_of_the_inputs_that_merges_gave(hand):
    hand.switch("s")
    hand.merge("m", "s:1", "s")
    hand.merge("turned", "s", "s:1")
    hand.add("which", "Identity", "m:1", T=INT32)
    for p in (True, False):
        found = run(hand.message, ["m:0", "m:1", "turned:1", "which:0"], p=p, x=3.0)
        assert found == [3, int(not p), int(p), int(not p)]


def test_only_the_branches_of_what_is_fetched_run(hand):
    """Two Merges on one condition: who asks for one does not run the other's assignment, nor twice what they share."""
    hand.add("v", "VariableV2", dtype=FLOAT)
    hand.message.node[-1].attr["shape"].shape.SetInParent()
    hand.add("one", "Const", dtype=FLOAT)
    hand.message.node[-1].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(1)))
    hand.add("init", "Assign", "v", "one", T=FLOAT)
    hand.switch("s")
    hand.add("vs", "RefSwitch", "v", "p", T=FLOAT)
    hand.add("shared", "Exp", "s:1", T=FLOAT)
    hand.add("plain", "Neg", "shared", T=FLOAT)
    hand.merge("m", "s", "plain")
    hand.add("update", "AssignAdd", "vs:1", "shared", T=FLOAT)
    hand.add("updated", "Identity", "update", T=FLOAT)
    hand.merge("m2", "s", "updated")
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(hand.message, name="")
        ifs = [op for op in graph.get_operations() if op.type == "If"]
        assert len(ifs) == 2
        exps = [o for op in ifs for o in op.attrs["then_branch"].get_operations() if o.type == "Exp"]
        assert len(exps) == 1
        session.run("init")
        assert session.run("m:0", {"p:0": True, "x:0": 0.0}) == -1 and session.run("v:0") == 1
        assert session.run("m2:0", {"p:0": True, "x:0": 0.0}) == 2 and session.run("v:0") == 2
        assert session.run("m2:0", {"p:0": False, "x:0": 0.0}) == 0 and session.run("v:0") == 2


def test_a_group_outside_waits_for_an_op_inside(hand):
    """TensorFlow's group of an op of a branch is dead with it; here it has nothing to wait for then."""
    hand.add("v", "VariableV2", dtype=FLOAT)
    hand.message.node[-1].attr["shape"].shape.SetInParent()
    hand.add("init", "Assign", "v", "x", T=FLOAT)
    hand.add("vs", "RefSwitch", "v", "p", T=FLOAT)
    hand.switch("s")
    hand.add("update", "AssignAdd", "vs:1", "s:1", T=FLOAT)
    hand.add("train", "NoOp", "^update")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(hand.message, name="")
        session.run("init", {"x:0": 1.0})
        for p, want in ((False, 1), (True, 3)):
            session.run("train", {"p:0": p, "x:0": 2.0})
            assert session.run("v:0") == want


def test_nested_conditions_share_what_gradients_need(hand):
    """A value of an inner branch that a later condition on the same tensors takes again."""
    hand.switch("a")
    hand.switch("b", "a:1", "q")
    hand.add("inner", "Exp", "b:1", T=FLOAT)
    hand.merge("m", "b", "inner")
    hand.merge("outer", "a", "m")
    hand.add("between", "Neg", "outer", T=FLOAT)
    hand.switch("c", "between", "p")
    hand.switch("d", "c:1", "q")
    hand.add("product", "Mul", "d:1", "inner", T=FLOAT)
    hand.merge("m2", "d", "product")
    hand.merge("end", "c", "m2")
    for p in (True, False):
        for q in (True, False):
            outer = np.exp(0.5) if p and q else 0.5
            want = -outer * np.exp(0.5) if p and q else -outer
            np.testing.assert_allclose(run(hand.message, "end:0", p=p, q=q, x=0.5), want, 1e-6)


def test_many_conditions_in_a_row_take_linear_time(hand):
    def chain(count):
        hand, x = Hand(), "x"
        hand.placeholder("x")
        hand.placeholder("p", BOOL)
        for i in range(count):
            hand.switch(f"s{i}", x)
            hand.add(f"n{i}", "Neg", f"s{i}:1", T=FLOAT)
            x = hand.merge(f"m{i}", f"s{i}", f"n{i}")
        started = time.perf_counter()
        raised(hand.message)
        return time.perf_counter() - started
    chain(50)
    few, many = chain(250), chain(2000)
    assert many < 30 * few + 1


def test_conditions_many_levels_deep(hand):
    """As tf.case makes them; no recursion."""
    x = "x"
    for i in range(200):
        hand.placeholder(f"p{i}", BOOL)
        hand.switch(f"s{i}", x, f"p{i}")
        x = f"s{i}"
    result = hand.add("end", "Neg", x, T=FLOAT)
    for i in reversed(range(200)):
        result = hand.merge(f"m{i}", result, f"s{i}:1")
    assert sum(n.op == "If" for f in raised(hand.message).library.function for n in f.node_def) == 199


def loop(hand, **changes):
    """A loop `while i < x: i += i`, some of its nodes changed."""
    frame = {"T": FLOAT, "frame_name": b"f", "is_constant": False, "parallel_iterations": 10}
    nodes = {"enter": ("Enter", ["x"], frame), "limit": ("Enter", ["x"], {**frame, "is_constant": True}),
             "merge": ("Merge", ["enter", "next"], {"T": FLOAT, "N": 2}),
             "less": ("Less", ["merge", "limit"], {"T": FLOAT}),
             "cond": ("LoopCond", ["less"], {}), "switch": ("Switch", ["merge", "cond"], {"T": FLOAT}),
             "add": ("Add", ["switch:1", "switch:1"], {"T": FLOAT}), "next": ("NextIteration", ["add"], {"T": FLOAT}),
             "exit": ("Exit", ["switch"], {"T": FLOAT})}
    nodes.update(changes)
    for name, (op, inputs, attrs) in nodes.items():
        hand.add(name, op, *inputs, **attrs)
    return hand.message


FRAME = {"T": FLOAT, "frame_name": b"f", "is_constant": False, "parallel_iterations": 10}


def refused_graphs():
    """name -> (what adds to a hand-made graph, error class, message)."""
    invalid, missing = tf.errors.InvalidArgumentError, tf.errors.UnimplementedError

    def dead_branch(hand):
        hand.switch("s")
        hand.switch("t", "x", "q")
        hand.merge("m", "s:1", "t")

    def excluded(hand):
        hand.switch("s")
        hand.add("both", "Add", "s", "s:1", T=FLOAT)
        hand.switch("t")
        hand.merge("m", "t", "t:1")
        hand.add("trigger", "Add", "m", "both", T=FLOAT)
        hand.merge("of_dead", "both")
        hand.add("end", "Neg", "of_dead", T=FLOAT)

    return {
        "unknown": (lambda h: h.add("a", "Switch", "nowhere", "p", T=FLOAT), invalid,
                    "Node 'a': Unknown input node 'nowhere'"),
        "twice": (lambda h: (h.switch("a"), h.switch("a")), invalid, "Node 'a' is there twice"),
        "two conditions": (dead_branch, missing, "Merge 'm' does not merge the two sides of one condition.*'s'"),
        "cycle": (lambda h: (h.switch("a", "b"), h.add("b", "Neg", "a:1", T=FLOAT)), invalid,
                  "wait for each other in a cycle that no NextIteration closes: (Neg 'b', Switch 'a'|Switch 'a', N)"),
        "no loop": (lambda h: h.add("e", "Exit", "x", T=FLOAT), invalid, "Exit 'e' leaves a loop that it is not in"),
        "stray": (lambda h: h.add("c", "LoopCond", "p"), invalid, "no Enter leads into: LoopCond 'c'"),
        "no condition": (lambda h: h.add("e", "Enter", "x", **FRAME), missing, "loop 'f' has 0 LoopCond nodes"),
        "no variable": (lambda h: loop(h, merge=("Merge", ["enter", "limit", "next"], {"T": FLOAT, "N": 3})), missing,
                        "Merge 'merge' is no loop variable of loop 'f'"),
        "several": (lambda h: loop(h, other=("NextIteration", ["add"], {"T": FLOAT}), merge=(
            "Merge", ["enter", "next", "other"], {"T": FLOAT, "N": 3})), missing, "takes several NextIterations"),
        "wrong exit": (lambda h: loop(h, exit=("Exit", ["merge"], {"T": FLOAT})), missing,
                       "Exit 'exit' is no loop variable's"),
        "too few": (lambda h: h.add("a", "Switch", "x", T=FLOAT), invalid, "Switch 'a' has 1 inputs, expected 2"),
        "too many": (lambda h: h.add("a", "Exit", "x", "x", T=FLOAT), invalid, "Exit 'a' has 2 inputs, expected 1"),
        "no type": (lambda h: h.add("a", "Switch", "x", "p", T=77), invalid, "Node 'a' of type Switch: 77 is the num"),
        "no such output": (lambda h: (h.switch("a"), h.add("b", "Neg", "a:2", T=FLOAT)), invalid,
                           "Neg 'b' takes output 2 of Switch 'a'"),
        "index of a loop": (lambda h: loop(h, add=("Add", ["switch:1", "merge:1"], {"T": FLOAT})), missing,
                            "of the loop variable Merge 'merge' more than its value is taken"),
        "enter waits": (lambda h: loop(h, limit=("Enter", ["x", "^other"], {**FRAME, "is_constant": True}), other=(
            "Enter", ["x"], {**FRAME, "frame_name": b"g"})), invalid, "waits for nodes of another loop: Enter 'o"),
        "output of an op": (lambda h: (h.add("e", "Exp", "x", T=FLOAT), h.add("s", "Switch", "e:1", "p", T=FLOAT),
                                       h.merge("m", "s", "s:1")), invalid, "output 1 of Exp 'e' is taken, which"),
        "mixed": (lambda h: loop(h, add=("Add", ["switch:1", "x"], {"T": FLOAT})), invalid,
                  "Add 'add' has inputs from different loops"),
    }


@pytest.mark.parametrize("name", list(refused_graphs()))
def test_what_is_refused(hand, name):
    add, error, message = refused_graphs()[name]
    add(hand)
    with pytest.raises(error, match=message):
        raised(hand.message)


def test_functions_are_not_looked_into(hand):
    function = hand.message.library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="s", op="Switch")
    with pytest.raises(tf.errors.UnimplementedError, match="function 'f' holds Switch, Merge or Enter nodes .s."):
        raised(hand.message)


def test_a_loop_by_hand(hand):
    assert run(loop(hand), "exit:0", x=3.0) == 3
    body = next(f for f in raised(hand.message).library.function if f.signature.name == "body")
    assert [a.name for a in body.signature.input_arg] == ["merge_1", "limit_1"]


def test_values_that_never_meet(hand):
    hand.switch("s")
    hand.add("both", "Add", "s", "s:1", T=FLOAT)
    hand.switch("c")
    hand.add("t", "Mul", "c:1", "both", T=FLOAT)
    hand.merge("m", "c", "t")                           # the side with `both` never comes: the other one is the value
    hand.add("end", "Neg", "m", T=FLOAT)
    message = raised(hand.message)
    assert "both" not in {n.name for n in message.node}
