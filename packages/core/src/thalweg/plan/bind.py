"""Pass 9: the flat list of steps that the executor runs.

What is a step: steps.py.
"""
from . import memory, taking
from .effects import VARIABLES, reads_and_writes
from .ir import COPY, FEED, FETCH, Value
from .segments import insert_segments
from .steps import CHECK, KERNEL, MARK, MOVE, PYTHON, TAKE, Step
from .waits import insert_waits

# Ops that may be handed a variable without a value: the plans of branches and bodies check at the place of use.
_CHECKS_ITSELF = frozenset(("IsVariableInitialized", "If", "While"))


class Plan:
    """A plan, ready to be run: steps, and where every value lies (`Value.storage`).

    Attributes
    ----------
    steps : list of Step
    fetches : list of Value or None     in the order of the fetches
    feeds : list of Value
    arena_bytes : dict                  device name -> bytes
    n_objects : int                     count of values that are Python objects
    given : list of Node                assignments whose values are made in arrays that the variables take: such a
                                        plan serves one run
    written : set of str                variables that steps write in place
    fallbacks : dict                    (op type, requested device) -> count
    fallback_bytes : dict               (op type, requested device) -> bytes that a run copies for them
    segments : list of Segment          what stands together on devices that can record
    """

    __slots__ = ("steps", "fetches", "feeds", "arena_bytes", "n_objects", "given", "written", "fallbacks",
                 "fallback_bytes", "nodes", "placement", "segments")

    def __init__(self, ir, steps, layout, fallbacks, placement, segments):
        self.nodes, self.steps, self.segments, self.fallback_bytes = ir.nodes, steps, segments, {}
        self.arena_bytes, self.n_objects, self.given = layout.arena_bytes, layout.n_objects, layout.given
        self.written = {name for s in steps if s.kind in (KERNEL, PYTHON) for name in _written(s.node)}
        self.fetches, self.feeds, self.fallbacks, self.placement = ir.fetches, ir.feeds, fallbacks, placement


def _written(node):
    return reads_and_writes(node)[1] & {v.variable for v in [*node.inputs, *node.outputs] if v.variable}


def bind(ir, placement, fallbacks, with_value):
    """Lays out memory and lists the steps; gives the Plan. `with_value`: names of variables that have one already."""
    layout = memory.lay_out(ir, placement.device_of, with_value)
    steps, checked = [], set()
    for node in ir.nodes:
        for name in _variables_needed(node):
            if name not in checked:
                checked.add(name)
                steps.append(Step(CHECK, node, [], [], name))
        step = _step(node, layout, placement.device_of)
        if step is not None:
            steps.append(step)
        if node.op_type == "Assign":
            name = node.outputs[0].variable
            steps.append(Step(MARK, node, [], [], name))
            checked.add(name)
    steps, segments = _with_order_of_devices(steps, placement)
    return Plan(ir, steps, layout, fallbacks, placement, segments)


def _with_order_of_devices(steps, placement):
    """`(steps, segments)`: with waits for the devices that are not the host's, and marks of what may be replayed."""
    def home(value):
        kind, payload = value.storage.kind, value.storage.payload
        if kind == memory.ARENA:
            name = payload.device
        elif kind == memory.VARIABLE:
            name = placement.variable_homes[payload]
        else:
            return None                  # constants, feeds, fetches, objects
        device = placement.by_name(name)
        return None if device.is_host else device
    if all(device.is_host for device in placement.devices()):
        return steps, []
    return insert_segments(insert_waits(steps, home), home)


def _variables_needed(node):
    """The variables whose value this node takes."""
    if node.op_type in VARIABLES or node.op_type in _CHECKS_ITSELF or memory.is_alias(node):
        return ()
    inputs = node.inputs[1:] if node.op_type == "Assign" else node.inputs
    return dict.fromkeys(v.variable for v in inputs if v.variable)


def _step(node, layout, device_of):
    if node.op_type == FETCH:
        if node.attrs.get("direct"):
            return None
        return _fetch_step(node)
    if node.op_type in (FEED, "Const", "NoOp", *VARIABLES):
        return None
    if memory.is_alias(node) and node.outputs[0].base is not None:
        return None
    if node.op_type == COPY:
        return Step(MOVE if node.outputs[0].is_static else PYTHON, node, node.inputs, node.outputs)
    workspace = layout.workspaces.get(node)
    if taking.may_take(node, device_of) and _can_be_free(node, layout.given):
        return Step(TAKE, node, node.inputs, node.outputs, node.kernel, workspace)
    if node.kernel is not None:
        return Step(KERNEL, node, node.inputs, node.outputs, node.kernel, workspace)
    return Step(PYTHON, node, node.inputs, node.outputs)


def _can_be_free(node, given):
    """Whether nothing but the assignment `node` needs its value's array, as far as a plan can tell."""
    value = node.inputs[1]
    kind = value.storage.kind
    return kind == memory.CONST or kind == memory.OBJECT and value.uses == [node] \
        or kind == memory.GIVEN and given[value.storage.payload] is node


def _fetch_step(node):
    """Copies a value that has no buffer of its own, or no plain bytes, into the caller's array."""
    source = node.inputs[0]
    if not source.is_static:
        return Step(PYTHON, node, node.inputs, [], node.attrs["index"])
    target = Value(node, 0, source.dtype, source.shape)
    target.storage = memory.Storage(memory.FETCHES, node.attrs["index"])
    return Step(MOVE, node, node.inputs, [target])
