"""Pass 3b: an `If` that guards updates of variables on a card becomes updates by masked numbers.

A branch is a step of the host: its condition is fetched, and what it captures, gradients say, passes through the
host's memory. Where both branches only compute numbers and update variables, they run both instead, each update
with numbers that leave the variable and its slots as they are unless its branch is the one: a sum with 0, an
assignment of what is there, Adam with both decays 1 and a learning rate of 0. So a training step that is skipped when
a gradient is not finite (a dynamic loss scale) stays on the card. What is kept so is equal as long as it is finite; a
zero may lose its sign. Every number that the update computes with is masked, as each may be NaN in the other branch.

Left as they are: branches on the host, where a branch costs nothing and what it skips is saved; those with any other
op, which could raise or take long, scatters by indices that only the condition keeps within bounds say; those with a
shape that the graph does not tell, which may fit in the branch that is taken only; and those with a variable that has
no value yet, which the branch that is not taken may be there to give. Both branches are computed in every run: a rare
one with much to compute costs what it costs.
"""
import numpy as np

from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import bfloat16
from thalweg.framework.packed import to_packed

from .effects import VARIABLES, function_graphs, reads_and_writes, resolve_variables
from .inline import expand, redirect_controls
from .ir import Node, Value, sorted_nodes

_PURE = frozenset("""
    Add AddV2 Cast Const Equal Exp Greater GreaterEqual Identity IsFinite Less LessEqual LogicalAnd LogicalNot
    LogicalOr Maximum Minimum Mul Neg NoOp NotEqual OnesLike Placeholder RealDiv Rsqrt Select SelectV2 Sqrt Square
    Sub ZerosLike""".split()) | frozenset(VARIABLES)      # no Pow: integers raise for a negative one
# op -> {input: the number with which the op changes nothing}; of Assign it is what the variable holds
_NEUTRAL = {
    "AssignAdd": {1: 0}, "AssignSub": {1: 0},
    "ApplyGradientDescent": {1: 0, 2: 0},                            # alpha, delta
    "ApplyMomentum": {2: 0, 3: 0, 4: 1},                             # lr, grad, momentum
    "ApplyAdam": {3: 0, 4: 0, 5: 0, 6: 1, 7: 1, 8: 1, 9: 0},         # beta powers, lr, beta1, beta2, epsilon, grad
}


def mask_updates(ir, placement, with_value):
    """Replaces each `If` that guards nothing but updates on cards; whether there was one.

    `with_value`: the names of the variables that hold a value; None: it is not known which do.
    """
    ir.link()
    found = [n for n in ir.nodes if n.op_type == "If" and _may_be_masked(n, ir, placement, with_value or ())]
    if found:
        _Masking(ir).replace(found)
    return bool(found)


# --- which ones -------------------------------------------------------------------------------------

def _may_be_masked(node, ir, placement, with_value):
    reads, writes = reads_and_writes(node)
    homes = [placement.variable_homes.get(name) for name in writes]
    return bool(homes) and bool(node.outputs) and None not in homes \
        and not any(placement.by_name(home).is_host for home in homes) \
        and (reads | writes).issubset(with_value) and node.inputs[0].variable is None \
        and all(_is_masked_easily(graph) for graph in function_graphs(node.attrs)) \
        and all(_is_for_order(v, ir) or _is_constant(k, node) for k, v in enumerate(node.outputs))


def _is_masked_easily(graph):
    for op in graph.get_operations():
        if op.type == "If":
            if op.inputs[0].op.type in VARIABLES or not op.outputs \
                    or not all(map(_is_masked_easily, function_graphs(op.attrs))):
                return False
        elif op.type == "Assign":
            if not _is_told(op.inputs[0]) or op.inputs[0]._shape != op.inputs[1]._shape:
                return False
        elif op.type not in _PURE and op.type not in _NEUTRAL or not all(map(_is_told, [*op.inputs, *op.outputs])):
            return False
    return True


def _is_told(tensor):
    return tensor._shape is not None and None not in tensor._shape


def _is_for_order(value, ir):
    """Whether what takes an output of an `If` does so to run after it only."""
    users = [user.outputs[0] for user in value.uses if user.op_type == "Identity"]
    return len(users) == len(value.uses) and not any(v.uses for v in users) and not {value, *users} & set(ir.fetches)


def _is_constant(k, node):
    """Whether both branches give the same constant: the True of `tf.cond` for a branch that makes ops only."""
    values = [_constant(graph.outputs[k]) for graph in function_graphs(node.attrs)]
    return None not in [v if v is None else 0 for v in values] and np.array_equal(*values)


def _constant(tensor):
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor.op.attrs["value"] if tensor.op.type == "Const" else None


# --- the masks --------------------------------------------------------------------------------------

class _Masking:
    """The nodes that take the place of some `If`."""

    def __init__(self, ir):
        self.ir, self.made, self.shared = ir, [], {}
        self.mapping, self.controls = {}, {}
        self.variables = {v.variable: v for n in ir.nodes if n.op_type in VARIABLES for v in n.outputs}

    def replace(self, found):
        for node in found:
            self.flatten(node, None)
        self.ir.nodes = [n for n in self.ir.nodes if n not in set(found)] + self.made
        self.ir.replace(self.mapping)
        redirect_controls(self.ir, self.controls)
        self.ir.nodes = sorted_nodes(self.ir.nodes)
        resolve_variables(self.ir)

    def flatten(self, node, outer):
        """Makes the nodes of both branches; `outer` is the Value that says whether `node` itself is to run."""
        condition = node.inputs[0]
        other = self.make("LogicalNot", {}, [condition], node, "else")
        before, ends = [], []
        for branch, predicate in ("then_branch", condition), ("else_branch", other):
            if outer is not None:
                predicate = self.make("LogicalAnd", {}, [outer, predicate], node, branch)
            nodes, ends = expand(node, branch, self.mapping, self.variables)
            for inner in nodes:
                self.take(inner, predicate)
            for end in ends:                             # what takes an output wants both branches to have run
                end.controls = end.controls + before
                end.rank -= 0.0 if before else 0.25
            self.made += ends
            self.controls.setdefault(node, []).extend(ends)
            before = ends
        self.mapping.update(zip(node.outputs, [end.outputs[0] for end in ends]))

    def take(self, inner, predicate):
        """Takes a node of a branch over, masked where it writes."""
        if inner.op_type == "If":
            self.flatten(inner, predicate)
            return
        self.made.append(inner)
        if inner.op_type == "Assign":
            inner.inputs[1] = self.select(predicate, inner.inputs[1], inner.inputs[0], inner)
        for k, number in _NEUTRAL.get(inner.op_type, {}).items():
            inner.inputs[k] = self.select(predicate, inner.inputs[k], number, inner)

    def select(self, predicate, value, neutral, user):
        """`value` where the predicate holds, else `neutral`, a number or a Value; one for all users of a value."""
        key = predicate, value, neutral
        if key in self.shared:
            return self.shared[key]
        if not isinstance(neutral, Value):
            neutral = self.const(neutral, value.dtype, user)
        chosen = self.make("SelectV2", {"T": value.dtype}, [predicate, value, neutral], user, "masked", -0.25)
        if value.variable is None:                       # a variable's is read where its user stands
            self.shared[key] = chosen
        return chosen

    def const(self, number, dtype, user):
        array = np.asarray(number, np.float32 if dtype is bfloat16 else dtype.np)
        array = to_packed(array, dtype) if dtype is bfloat16 else array
        return self.make("Const", {"value": array, "dtype": dtype}, [], user, "neutral", shape=(), dtype=dtype)

    def make(self, op_type, attrs, inputs, user, name, later=0.0, shape=None, dtype=None):
        """The only output of a new node beside `user`; of the dtype and shape of its second input, or of its first."""
        like = inputs[min(1, len(inputs) - 1)] if inputs else None
        node = Node(op_type, REGISTRY[op_type], attrs, inputs, list(user.controls), user.source, user.rank + later,
                    user.device, f"{user.name}/{name}")
        node.outputs = [Value(node, 0, dtype or like.dtype, shape if like is None else like.shape)]
        self.made.append(node)
        return node.outputs[0]
