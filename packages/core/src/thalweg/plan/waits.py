"""Part of pass 9: where the host waits for a device: before it takes what has been copied to it, and at the end.

What a device is asked to do may only be enqueued. Copies to the host are waited for as late as can be, so a run that
fetches ten values waits once; the last wait of each device brings its errors into the run that caused them.
"""
from .steps import KERNEL, MOVE, WAIT, Step


def insert_waits(steps, home):
    """The steps with WAITs between them. `home(value)`: the Device on which it lies, None for the host's memory."""
    result, copied, busy = [], {}, {}        # device -> values that are on their way to the host; -> its last node
    for step in steps:
        for device in [d for d, values in copied.items() if values & {_owner(v) for v in step.inputs}]:
            result.append(Step(WAIT, step.node, [], [], device))
            del copied[device], busy[device]
        result.append(step)
        for device in _devices_of(step, home):
            busy[device] = step.node
        if step.kind == MOVE and home(step.inputs[0]) is not None and home(step.outputs[0]) is None:
            copied.setdefault(home(step.inputs[0]), set()).add(_owner(step.outputs[0]))
    return result + [Step(WAIT, node, [], [], device) for device, node in busy.items()]


def _devices_of(step, home):
    """The devices, other than the host's, that a step asks to do something."""
    if step.kind == MOVE:
        ends = home(step.inputs[0]), home(step.outputs[0])
        return [d for d in dict.fromkeys(ends) if d is not None]
    return [step.payload.device] if step.kind == KERNEL and not step.payload.device.is_host else []


def _owner(value):
    while value.base is not None:
        value = value.base
    return value
