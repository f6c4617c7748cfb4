"""What a user reads when there is no memory: which values take it, where they were made, what the device says."""
from thalweg.framework import errors
from thalweg.framework.errors import explain, size_text
from thalweg.framework.shapes import text as shape_text
from thalweg.plan.memory import ARENA

_MOST_ROWS = 10


def arena_too_large(plan, device, nbytes, error, variables):
    """A device has no memory for the values of a plan: names the largest of what would be alive together.

    `variables`: the session's VariableBuffers, of which those on the device are counted too.
    """
    rows = _alive_at_peak(plan, device.name)
    node = max(rows, key=lambda row: row[0])[2] if rows else None
    text = explain(f"{device.name} has no memory for the {size_text(nbytes)} of this run's intermediate values",
                   reason=str(error).splitlines()[0], **_largest(rows + _kept(device, variables)),
                   in_use=_usage(device), hint="a smaller batch, or fetches that need less at a time",
                   built_at=_frame(node) if node is not None else None)
    return errors.ResourceExhaustedError(None, node.source if node is not None else None, text)


def value_too_large(value, nbytes, what, error, device=None, variables=()):
    """There is no memory for one value: a variable, a constant on a device, or a fetch."""
    on_device = {**_largest(_kept(device, variables)), "in_use": _usage(device)} if device is not None else {}
    text = explain(f"no memory for {what}: {value!r} takes {size_text(nbytes)}",
                   got=f"{value.dtype.name} {shape_text(value.shape)}, by {value.node.op_type} {value.node.name!r}",
                   hint="a smaller shape", reason=str(error), **on_device, built_at=_frame(value.node))
    return errors.ResourceExhaustedError(None, value.node.source, text)


def _frame(node):
    return node.source.frame if node.source is not None else None


def _alive_at_peak(plan, device_name):
    """(bytes, text, node) of what lies in a device's arena when most of it is in use."""
    found = {}
    for node in plan.nodes:
        for value in node.outputs:
            storage = value.storage
            if storage is not None and storage.kind == ARENA and storage.payload.device == device_name:
                found.setdefault(storage.payload, (f"{value!r} {value.dtype.name} {shape_text(value.shape)}", node))
    for step in plan.steps:
        if step.workspace is not None and step.workspace.device == device_name:
            found[step.workspace] = f"workspace of {step.node.name!r}", step.node
    starts = sorted(found, key=lambda allocation: allocation.start)
    peak = max(starts, default=None, key=lambda moment: sum(
        a.nbytes for a in found if a.start <= moment.start <= a.end))
    return [(a.nbytes, f"{text}, {size_text(a.nbytes)}, by {node.op_type} at {_frame(node)}", node)
            for a, (text, node) in found.items() if a.start <= peak.start <= a.end]


def _kept(device, variables):
    """The same of the variables on a device."""
    return [(v.nbytes, f"variable {v.name} {v.dtype.name} {shape_text(v.shape)}, {size_text(v.nbytes)}, at {v.frame}",
             None) for v in variables if v.device is device and v.nbytes]


def _largest(rows):
    """A row of the message, with the first of them."""
    texts = [text for _, text, _ in sorted(rows, key=lambda row: -row[0])[:_MOST_ROWS]]
    return {"largest": "\n            ".join(texts)} if texts else {}


def _usage(device):
    stats = device.mem_stats()
    if stats is None:
        return None
    limit = f" of {size_text(stats['bytes_limit'])}" if stats["bytes_limit"] else ""
    return f"{size_text(stats['bytes_in_use'])}{limit}, {device.name} says"
