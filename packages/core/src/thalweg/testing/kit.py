"""What the tests of the conformance kit get: the device, its claims, sessions on it, children of the process."""
import importlib
import json
import os
import subprocess
import sys

import numpy as np

import thalweg as tf
from thalweg import devices
from thalweg.devices.placement import Placement
from thalweg.devices.registry import REGISTRY
from thalweg.framework.errors import ThalwegError
from thalweg.plan import pipeline

from .capabilities import needs_kernel

# Takes a little off the hands of programs that run in a child: `device` is there, and `report` tells the parent.
_PRELUDE = """
import json, sys
def report(**values):
    print("\\nREPORT " + json.dumps(values), flush=True)
"""
_OPENED = """
from thalweg.testing.kit import find
device = find({device!r}, {descriptor!r})
"""
# What is raised here is raised again where the parent opens the device, and told there.
_TRIED = """
from thalweg.testing.kit import find
try:
    find({device!r}, {descriptor!r})
except BaseException:
    pass
report(came_back=True)
"""
OPENING_S = 60                           # then a plugin hangs: as long as `python -m thalweg.devices --isolate` waits


def needs(*features):
    """The test is skipped where the device does not claim these features."""
    def mark(function):
        function.needs = features
        return function
    return mark


def each(cases):
    """The test has an argument `case`; `cases(kit)` gives {name: case}."""
    def mark(function):
        function.cases = cases
        return function
    return mark


class KitError(ThalwegError):
    """The kit cannot be run: the device is not there, or something is missing."""


class ChildFailed(AssertionError):
    """A child process crashed, hung, or raised."""


def descriptor_at(place):
    """The DevicePlugin that "module:attribute" names."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute or "plugin")


def find(device_type, descriptor=""):
    """The first device of a type, opened; registered in this process where no installed package provides it."""
    known = {e.type for e in REGISTRY.entries() if e.group == "thalweg.devices"}
    if device_type not in known and descriptor:
        devices.register(descriptor_at(descriptor))
    device, reason = devices.find_device(device_type)
    if device is None:
        raise KitError(f"the conformance kit is asked to test {device_type}, but {reason}; "
                       "`python -m thalweg.devices --verbose` tells more")
    return device


class Kit:
    """One device under test.

    Attributes
    ----------
    caps : Capabilities
    device : Device
    place : str             "/device:ACME:0"
    measured : dict         what level L7 found, name -> number
    """

    def __init__(self, caps):
        self.caps = caps
        _try_opening(caps)
        self.device = find(caps.device, caps.descriptor)
        self.place = self.device.name
        self.measured = {}

    @property
    def descriptor(self):
        """"module:attribute" of the device's DevicePlugin."""
        entry = next(e for e in REGISTRY.entries() if e.type == self.device.type and e.devices)
        return self.caps.descriptor or entry.source.rpartition(", ")[2]

    def session(self, soft=True, threads=0, rewrites=True):
        """A session on the default graph; without `rewrites` it runs each op as it was built."""
        options = tf.GraphOptions(optimizer_options=tf.OptimizerOptions(opt_level=0 if rewrites else -1))
        return tf.Session(config=tf.ConfigProto(allow_soft_placement=soft, intra_op_parallelism_threads=threads,
                                                graph_options=options))

    def run(self, outputs, feeds, arrays, **options):
        """The values of `outputs`, by a session of its own."""
        with self.session(**options) as session:
            values = session.run(outputs, dict(zip(feeds, arrays)))
        return [np.asarray(v, object if t.dtype.base_dtype.kind == "O" else None) for t, v in zip(outputs, values)]

    def kernels(self, outputs, feeds, arrays):
        """(Node, Kernel or None) of each step of the plan that an op of the graph or of the plan itself has."""
        with self.session() as session:                       # opens devices, and owns what kernels refer to
            template = pipeline.make_template(tuple(outputs), tuple(feeds), Placement(tf.ConfigProto()), True)
            plan = pipeline.specialise(template, [np.shape(a) for a in arrays], {})
            assert session is not None
        return [(step.node, step.node.kernel) for step in plan.steps if step.node.declaration is not None]

    def misplaced(self, outputs, feeds, arrays):
        """{op type: where it runs instead, and why} of ops that the device is asked for and has no kernel for."""
        found = {}
        for node, kernel in self.kernels(outputs, feeds, arrays):
            if not needs_kernel(node.op_type, [*node.inputs, *node.outputs]):
                continue
            if kernel is not None and kernel.device.name != self.place or kernel is None and node.refusal is not None:
                found[node.op_type] = f"it runs on {node.device}: {node.refusal}"
        return found

    # --- child processes ----------------------------------------------------------------------------

    def child(self, program, opened=True, timeout_s=120, expected=0, arguments=(), path="", **environ):
        """What a program in a process of its own told by `report(...)`, a dict; ChildFailed where it did not end well.

        opened : bool       `device` is there, opened
        expected : int      the status with which it must end; None: any
        path : str          a folder in which its own children look for packages, too
        """
        opening = _OPENED.format(device=self.caps.device, descriptor=self.caps.descriptor) if opened else ""
        return run_child(_PRELUDE + opening + program, timeout_s, expected, arguments, path, environ)


def _try_opening(caps):
    """KitError where the device hangs or ends its process while it is opened: in a child, for here none could tell."""
    program = _PRELUDE + _TRIED.format(device=caps.device, descriptor=caps.descriptor)
    try:
        came_back = run_child(program, OPENING_S, expected=0).get("came_back")
        why = "a child process ended while it was opened"
    except ChildFailed as error:
        came_back, why = False, str(error).strip()
    if not came_back:
        raise KitError(f"the conformance kit is asked to test {caps.device}, which cannot be opened: {why}")


def run_child(program, timeout_s=120, expected=0, arguments=(), path="", environ=None):
    """The last report of a Python program, with its "stdout", "stderr" and "status" besides."""
    path = os.pathsep.join(filter(None, [str(path), *sys.path]))
    try:
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True,
                              timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PYTHONPATH": path, **(environ or {})})
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"a child process did not end within {timeout_s} s; it told\n"
                          f"{_text(error.stdout)}\n{_text(error.stderr)}") from error
    if expected is not None and done.returncode != expected:
        raise ChildFailed(f"a child process ended with status {done.returncode}, not {expected}:\n"
                          f"{done.stdout}\n{done.stderr}")
    reports = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    return {**(reports[-1] if reports else {}), "stdout": done.stdout, "stderr": done.stderr,
            "status": done.returncode}


def _text(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
