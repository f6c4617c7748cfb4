"""A device EMULATED that runs the CUDA kernels' unchanged sources on the processor, with no driver between.

It is a Python device whose memory the host sees; so all of thalweg's graphs, gradients and op tables run on it.
"""
import ctypes

import numpy as np
from standin import emulator

from thalweg import devices
from thalweg.framework import errors
from thalweg_cuda import kernels
from thalweg_cuda.work import FLAG_WORDS, Copy, Draw, Fill, Flag, Launch, LibraryCall, Operand, Target, Unsupported

SOURCES: dict = {}               # Source -> op types that have asked for it


class Bound:
    """A Work with its sources compiled: what core calls."""

    def __init__(self, work, op_type, order="forward"):
        self.work, self.order = work, order
        if not callable(work.commands):
            for command in work.commands:
                _module(command, op_type)
        self.op_type = op_type

    def __call__(self, inputs, outputs, rng=None):
        commands = self.work.commands
        if callable(commands):
            commands = commands({k: np.asarray(inputs[k]) for k in self.work.host_inputs})
        memory = {"in": inputs, "out": outputs, "workspace": [_undefined(self.work.workspace_bytes)]}
        for command in commands:
            self._run(command, memory, rng)

    def _run(self, command, memory, rng):
        kept = []

        def address(operand):
            return _address(memory[operand.kind][operand.index]) + operand.offset
        if isinstance(command, Launch):
            flags = []
            args = [address(a) if isinstance(a, Operand) else _drawn(a, rng, kept) if isinstance(a, Draw)
                    else _raised(a, flags) if isinstance(a, Flag) else a for a in command.args]
            _module(command, self.op_type).launch(command.entry, command.grid, command.block, args, command.shared,
                                                  self.order)
            for flag, words in flags:
                if words[0]:
                    raise errors.InvalidArgumentError(None, None, flag.tell(words.tolist()))
        elif isinstance(command, Copy):
            ctypes.memmove(address(command.to), address(command.source), command.nbytes)
        elif isinstance(command, Fill):
            ctypes.memset(address(command.to), command.byte, command.nbytes)
        elif isinstance(command, LibraryCall):
            command.function(0, *[address(o) for o in command.operands])
        else:
            raise TypeError(f"{self.op_type}: {command!r} is no command")


def _module(command, op_type):
    if not isinstance(command, Launch):
        return None
    SOURCES.setdefault(command.source, set()).add(op_type)
    return emulator.load(command.source.text, command.source.options)


def _undefined(nbytes):
    """Memory with a pattern that is NaN in every float type, 256-byte aligned."""
    array = np.full(nbytes + 256, 0xff, np.uint8)
    return array[-array.ctypes.data % 256:]


def _address(array):
    return array if isinstance(array, int) else array.ctypes.data


def _drawn(draw, rng, kept):
    words = np.array([*rng.key, *rng.reserve(draw.blocks)], np.uint32)
    kept.append(words)
    return words.ctypes.data


def _raised(flag, flags):
    words = np.zeros(FLAG_WORDS, np.int64)
    flags.append((flag, words))
    return words.ctypes.data


class Emulated:
    """The Python device; `target` can be changed by a test.

    Its memory is the host's, so that RunMetadata counts no fallbacks: `refused` has them, op type -> why. A fused step
    that is refused (_Region and the like) runs in parts, and plans ask with examples which they may make.
    """

    target = Target()
    refused: dict = {}

    def count(self):
        return 1

    def alloc(self, i, nbytes, align):
        array = np.empty(nbytes + align, np.uint8)
        offset = -array.ctypes.data % align
        return array[offset:offset + nbytes]

    def free(self, i, buf):
        pass

    def h2d(self, i, buf, src, stream=None):
        buf[:] = src

    def d2h(self, i, dst, buf, stream=None):
        dst[:] = buf

    def kernel(self, i, op):
        try:
            return Bound(kernels.prepare(op, self.target), op.op_type)
        except Unsupported as refusal:
            op.refusal = str(refusal)
            if not op.op_type.startswith("_"):
                self.refused[op.op_type] = op.refusal
            return None


def register():
    """Makes `/device:EMULATED:0` known."""
    devices.register(devices.DevicePlugin("EMULATED", Emulated, priority=50, host_memory=True))
