"""The region kernel: programs of elementwise ops against the same ops one by one."""
import numpy as np
import pytest
from oracle import aligned

from thalweg.cpu._loops import pairs
from thalweg.cpu._request import Unsupported
from thalweg.cpu.elementwise import elementwise
from thalweg.cpu.region import SUPPORTED, region
from thalweg.testing.kernel_call import KernelCall, call_kernel

RNG = np.random.default_rng(11)
UNARY = ["Neg", "Abs", "Tanh", "Sigmoid", "Relu", "LeakyRelu", "Square", "Softplus", "Elu"]
BINARY = ["Add", "Sub", "Mul", "Maximum", "SquaredDifference", "TanhGrad", "ReluGrad"]


def describe(program, results, n_in, slots=3):
    """`program`: (op, operand, ...) with operands as slots; results as numbers of ops."""
    args = [a for op in program for a in [*op[1:], *[-1] * (slots - len(op) + 1)]]
    return {"ops": [op[0] for op in program], "args": args, "alphas": [0.25] * len(program), "results": list(results),
            "N": n_in, "n_results": len(results)}


def one_by_one(program, results, inputs, shape):
    values = list(inputs)
    for op, *operands in program:
        x = [values[k] for k in operands]
        dtype = bool if op in ("Less", "Greater", "LogicalAnd", "LogicalNot", "IsNan") else x[-1].dtype
        out = np.broadcast_shapes(*[np.shape(v) for v in x])
        values.append(call_kernel(elementwise, op, x, [(out, dtype)], {"alpha": 0.25})[0])
    return [np.broadcast_to(values[len(inputs) + j], shape) for j in results]


def check(program, results, inputs, threads=1, slots=3):
    shape = np.broadcast_shapes(*[np.shape(x) for x in inputs])
    dtype = inputs[0].dtype
    attrs = describe(program, results, len(inputs), slots)
    got = call_kernel(region, "_Region", inputs, [(shape, dtype)] * len(results), attrs, threads=threads)
    for y, want in zip(got, one_by_one(program, results, inputs, shape)):
        np.testing.assert_array_equal(y, want)
    return got


CHAIN = [("Mul", 0, 1), ("Add", 3, 2), ("Sigmoid", 4), ("Sub", 0, 5), ("Square", 6), ("Sqrt", 7), ("Mul", 8, 3),
         ("Relu", 9), ("Add", 10, 1), ("Neg", 11)]
SHAPES = [((), (), ()), ((5,), (5,), (5,)), ((5,), (), ()), ((3, 4), (4,), (3, 1)), ((50, 300), (300,), (50, 1)),
          ((2000, 3), (3,), (2000, 1)), ((2000, 3), (1, 3), (1, 1)), ((2, 3, 5000), (3, 1), (5000,)),
          ((0, 3), (3,), ()), ((4, 1), (1, 5), ()), ((70000,), (70000,), (1,)), ((999, 7), (999, 7), (7,)),
          ((1, 1), (1,), ()), ((), (3000,), ()), ((6, 1, 7), (1, 5, 1), (6, 5, 1))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_chain(shapes, dtype):
    check(CHAIN, [9], [RNG.normal(0, 1, s).astype(dtype) for s in shapes])


def test_several_results():
    inputs = [RNG.normal(0, 1, s).astype(np.float32) for s in ((100, 30), (30,), (100, 30))]
    check(CHAIN, [9, 0, 4], inputs)
    check(CHAIN, [0, 9], inputs, threads=2)


def test_select_and_comparisons_inside():
    program = [("Less", 0, 1), ("Greater", 0, 2), ("LogicalAnd", 3, 4), ("Select", 5, 0, 1), ("LogicalNot", 5),
               ("Select", 7, 6, 2)]
    for shapes in (((40, 30),) * 3, ((40, 30), (), ()), ((7,), (7,), ())):
        check(program, [5, 3], [RNG.normal(0, 1, s).astype(np.float32) for s in shapes])


def test_two_slots_per_op():
    check([("Add", 0, 1), ("Relu", 2)], [1], [RNG.normal(0, 1, 9).astype(np.float32) for _ in "ab"], slots=2)


def test_random_programs():
    for _ in range(120):
        n_in, n_ops = int(RNG.integers(1, 5)), int(RNG.integers(1, 30))
        program = []
        for j in range(n_ops):
            is_unary = RNG.random() < 0.5
            op = str(RNG.choice(UNARY if is_unary else BINARY))
            program.append((op, *(int(k) for k in RNG.integers(0, n_in + j, 1 if is_unary else 2))))
        full = RNG.integers(1, 40, 3)
        shapes = [tuple(full)] + [tuple(np.where(RNG.random(3) < 0.5, 1, full)[RNG.integers(0, 4):])
                                  for _ in range(n_in - 1)]
        results = sorted({n_ops - 1, *(int(k) for k in RNG.integers(0, n_ops, RNG.integers(0, 3)))})
        check(program, results, [RNG.uniform(-1, 1, s).astype(np.float32) for s in shapes])


def test_threads_do_not_change_bits():
    for shapes in (((300, 1000), (1000,), (300, 1)), ((100000, 3), (3,), (100000, 1)), ((300000,),) * 3):
        inputs = [RNG.normal(0, 1, s).astype(np.float32) for s in shapes]
        assert check(CHAIN, [9], inputs)[0].tobytes() == check(CHAIN, [9], inputs, threads=3)[0].tobytes()


def test_in_place():
    inputs = [RNG.normal(0, 1, s).astype(np.float32) for s in ((50, 40), (50, 40), (40,), (50, 40))]
    program = [("Mul", 0, 1), ("Add", 4, 2), ("Relu", 5), ("Sub", 6, 3)]
    for results, allowed in (([3], {0, 1, 3}), ([2, 3], {0, 1}), ([0, 3], {0, 1})):
        outputs = [((50, 40), np.float32)] * len(results)
        attrs = describe(program, results, 4)
        want = call_kernel(region, "_Region", inputs, outputs, attrs)
        call = KernelCall(region, "_Region", inputs, outputs, attrs)
        assert {k for k in range(4) if call.may_be_in_place(k)} == allowed
        for k in allowed:
            copies = [x.copy() for x in inputs]
            got = call_kernel(region, "_Region", copies, [copies[k], *outputs[1:]], attrs)
            assert [y.tobytes() for y in got] == [y.tobytes() for y in want]


PAIRS = {"Add+Relu": (0, 1), "Mul+Add": (0, 1, 2), "Mul+Mul": (0, 1, 2), "Sub+Square": (0, 1)}


def test_pairs_are_tested():
    assert set(PAIRS) == pairs()


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_ops_as_one_loop_have_the_bits_of_both(pair, dtype):
    first, second = pair.split("+")
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, 3e38], dtype)
    for shapes in (((7, 7), (7, 7), (7, 7)), ((49,), (), (49,)), ((49,), (49,), ()), ((), (49,), (1,)),
                   ((), (), ()), ((2000, 3), (3,), (2000, 1)), ((70000,),) * 3):
        inputs = [RNG.normal(0, 1, s).astype(dtype) for s in shapes]
        inputs[0].ravel()[:7], inputs[-1].ravel()[-7:] = odd[:inputs[0].size], odd[:inputs[-1].size]
        with np.errstate(all="ignore"):
            if len(PAIRS[pair]) == 2:
                check([(first, 0, 1), (second, 2)], [1], [inputs[0], inputs[2]])
            else:
                check([(first, 0, 1), (second, 3, 2)], [1], inputs)
                check([(first, 0, 1), (second, 2, 3)], [1], inputs)
                check([(first, 0, 1), (second, 3, 2)], [0, 1], inputs)      # both leave: no pair
                check([(first, 0, 1), (second, 3, 3)], [1], inputs)


@pytest.mark.parametrize("program, results", [
    ([("Add", 0, 1), ("Relu", 2)], [1]), ([("AddV2", 0, 1), ("Mul", 2, 0), ("AddV2", 1, 3)], [2]),
    ([("Sub", 0, 1), ("Square", 2), ("Mul", 3, 3), ("Neg", 4)], [3]),
    ([("Sigmoid", 0), ("Sub", 2, 1)], [0, 1])], ids=str)
def test_results_past_the_caches_have_the_bits_of_small_ones(program, results):
    n = (16 << 20) // 4 + 37
    x, y = RNG.normal(0, 1, (2, n)).astype(np.float32)
    attrs = describe(program, results, 2)
    parts = [call_kernel(region, "_Region", [a, b], [(a.shape, np.float32)] * len(results), attrs)
             for a, b in zip(np.array_split(x, 3), np.array_split(y, 3), strict=True)]
    want = [np.concatenate(result).tobytes() for result in zip(*parts, strict=True)]
    mine = x.copy()                                                   # is written in place
    for a, outputs in ((x, [(x.shape, np.float32)] * len(results)), (x, [aligned(n) for _ in results]),
                       (mine, [mine, *[aligned(n) for _ in results[1:]]])):
        got = call_kernel(region, "_Region", [a, y], outputs, attrs, threads=2)
        assert [v.tobytes() for v in got] == want


def test_long_scalar_chain():
    program = [("Add", 0, 1)] + [("Add", 1 + j, 1) for j in range(1, 999)]
    y, = check(program, [998], [np.float32(1), np.float32(0.5)])
    assert y == 1 + 999 * 0.5


def test_supported_names():
    assert {"Add", "Mul", "Relu", "Sigmoid", "Tanh", "TanhGrad", "Pow", "LeakyReluGrad", "Less"} <= SUPPORTED
    assert "Select" in SUPPORTED and "AddN" not in SUPPORTED


@pytest.mark.parametrize("program, results, error, match", [
    ([("MatMul", 0, 1)], [0], Unsupported, "MatMul of DataTypes"),
    ([("Less", 0, 1)], [0], ValueError, "output 0 has DataType 1, its op gives 10"),
    ([("Add", 0, 1, 1)], [0], ValueError, "takes 2 operands, not 3"),
    ([("Add", 0, 7)], [0], ValueError, r"takes slots \(0, 7\); it may take those below 2"),
    ([("Add", 0, 1)], [0, 0], Unsupported, "results"),
])
def test_bad_programs(program, results, error, match):
    x = np.zeros(3, np.float32)
    with pytest.raises(error, match=match):
        call_kernel(region, "_Region", [x, x], [((3,), np.float32)] * len(results), describe(program, results, 2))
