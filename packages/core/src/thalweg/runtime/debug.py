"""What THALWEG_DEBUG tells, on standard error."""
import sys

from thalweg import devices
from thalweg.framework import flags, shapes
from thalweg.plan.steps import KINDS

_has_listed = False


def _say(text):
    print(text, file=sys.stderr)


def tell_plan(plan, seconds):
    """Level 1: the devices, with the first plan; 2: a line per plan; 3: a line per step."""
    global _has_listed
    if not _has_listed:
        _has_listed = True
        _say(str(devices.list_devices()))
    if flags.DEBUG >= 2:
        in_python = sum(KINDS[s.kind] == "python" for s in plan.steps)
        memory = ", ".join(f"{name} {nbytes / 1e6:.1f} MB" for name, nbytes in plan.arena_bytes.items())
        _say(f"plan of {len(plan.fetches)} fetches and {len(plan.feeds)} feeds: {len(plan.steps)} steps, {in_python} "
             f"of them in Python; arenas: {memory or 'none'}; made in {seconds * 1000:.1f} ms")
    if flags.DEBUG >= 3:
        for step in plan.steps:
            sizes = " ".join(f"{v.dtype.name}{shapes.text(v.shape)}" for v in step.outputs)
            _say(f"  {KINDS[step.kind]:7} {step.node.op_type:24} {step.node.device} {step.node.name} {sizes}"
                 + (f"   ({step.node.refusal})" if step.node.refusal else ""))


def tell_run(trace):
    """Level 4: a line per step that ran."""
    for name, op_type, device, _, nanoseconds in trace:
        _say(f"  {nanoseconds / 1000:10.1f} us  {op_type:24} {device} {name}")
