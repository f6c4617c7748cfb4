"""Part of pass 9: which steps may be recorded together, and replayed as one from then on.

A segment is a run of steps of one device that only enqueue work, whose operands lie where they lie from run to run:
in the device's arena or in its variables. Checks and marks of variables between them are the host's affair, which
does them before and after.
"""
from .memory import CONST
from .steps import CHECK, KERNEL, MARK, MOVE, PYTHON, SEGMENT, TAKE, WAIT, Step

LEAST_STEPS = 3                          # a replay costs about as much as two or three calls


class Segment:
    """Steps that follow one another on a device that can record.

    Attributes
    ----------
    device : Device
    first, last : Node
    count : int             steps on the device
    cut : str               why it ends where it does
    refusal : str           why it is not recorded; empty: it may be
    index, end : int        number among the plan's segments; the step after it
    """

    __slots__ = ("device", "first", "last", "count", "cut", "refusal", "index", "end")

    def __init__(self, device, first, index):
        self.device, self.first, self.last, self.index = device, first, first, index
        self.count, self.cut, self.refusal, self.end = 0, "", "", 0


def insert_segments(steps, home):
    """`(steps, segments)`: a SEGMENT step before each that may be recorded. `home` as in waits.py."""
    result, segments, open_steps, segment = [], [], [], None
    ends = [n for n, step in enumerate(steps, 1) if step.kind != WAIT]
    for n, step in enumerate([*steps, None]):
        device, obstacle = _recordable(step, home) if n < max(ends, default=0) else (None, "the plan ends")
        if segment is not None and (obstacle or device not in (None, segment.device)):
            segment.cut = obstacle or f"{_named(step.node)} runs on {device.name}"
            _close(segment, open_steps, result)
            segment = None
        if segment is None and device is not None:
            segment, open_steps = Segment(device, step.node, len(segments)), []
            segments.append(segment)
        if segment is None:
            result += [step] if step is not None else []
            continue
        open_steps.append(step)
        if device is not None:
            segment.last, segment.count = step.node, segment.count + 1
    return result, segments


def _close(segment, steps, result):
    """Adds what has been collected; what stands after the segment's last step is no part of it."""
    if segment.count < LEAST_STEPS:
        segment.refusal = f"it has fewer than {LEAST_STEPS} steps"
        result += steps
        return
    result.append(Step(SEGMENT, segment.first, [], [], segment))
    tail = len(steps)
    while steps[tail - 1].kind in (CHECK, MARK):
        tail -= 1
    segment.end = len(result) + tail
    result += steps


def _recordable(step, home):
    """`(device, "")` for a step that may be in a segment, `(None, "")` for one that may stand in it, or why not."""
    node = step.node
    if step.kind in (CHECK, MARK):
        return None, ""
    if step.kind == MOVE:
        return _recordable_copy(step, home)
    if step.kind in (PYTHON, TAKE):
        return None, f"{_named(node)} runs in Python"
    if step.kind != KERNEL:
        return None, f"the host waits before {_named(node)}"
    kernel = step.payload
    if not kernel.device.can_record:
        return None, f"{_named(node)} runs on {kernel.device.name}"
    if not kernel.is_async:
        return None, f"the kernel of {_named(node)} waits for its result"
    if getattr(node.declaration, "is_random", False) and not kernel.rng_blocks:
        return None, f"{_named(node)} draws its numbers on the host"
    for k, value in enumerate(step.inputs):
        if kernel.reads_on_host(k) and value.storage.kind != CONST:
            return None, f"{_named(node)} reads input {k} on the host"
    return kernel.device, ""


def _recordable_copy(step, home):
    source, target = home(step.inputs[0]), home(step.outputs[0])
    if source is target and source is not None and source.can_record and source.can_copy_inside:
        return source, ""
    return None, f"{step.inputs[0]!r} is copied from {_place(source)} to {_place(target)}"


def _place(device):
    return "the host" if device is None else device.name


def _named(node):
    return f"{node.op_type} {node.name!r}"
