"""A kernel's Work on one card: sources compiled, arguments packed; a call fills in the addresses and enqueues it."""
import threading
from typing import NamedTuple

import numpy as np

from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.work import Copy, Draw, Fill, Flag, Launch, LibraryCall, Operand

_DEFAULT_SHARED_BYTES = 48 << 10         # more must be asked for, per function


class Bound:
    """What core calls for one node of a plan; its attributes are those of docs/devices.md, section 2.

    Sources are compiled in other threads from now on; the first call waits for them.
    """

    is_async = True
    deterministic = True

    def __init__(self, card, work, op_type, op_name=""):
        self._card, self._work, self._otherwise = card, work, work.otherwise
        self.op_type, self.op_name = op_type, op_name
        self.workspace_bytes, self.host_inputs = work.workspace_bytes, tuple(work.host_inputs)
        self.inplace, self.inplace_second = tuple(work.inplace), tuple(work.inplace_second)
        self.rng_blocks, self._steps, self._loading, self._has_run = 0, None, threading.Lock(), False
        if callable(work.commands):
            self.is_async = False        # its commands hang on values: no recording holds for the next run
            return
        self.rng_blocks = _drawn_blocks(work.commands, op_type)
        for command in work.commands:
            if isinstance(command, Launch):
                card.programs.prepare(command.source, self)

    def __call__(self, inputs, outputs, workspace=0, rng=None):
        steps = self._steps or self._load(inputs)
        places = {"in": inputs, "out": outputs, "workspace": (workspace,), "draw": (rng,)}
        try:
            self._enqueue(steps, places)
        except LibraryError as error:
            self._enqueue(self._other_steps(steps, error), places)
        self._has_run = True

    def _enqueue(self, steps, places):
        card = self._card
        with card.lock, card.context:
            stream = card.stream
            for step in steps:
                step(card, places, stream)

    def _other_steps(self, steps, error):
        """What is run where a library refuses at the first call; later, or where that is recorded, it is an error.

        The first run of a plan is not recorded, so that it meets what a library never does. What comes later is no
        fault of the choice: there is no memory, or work before it has failed.
        """
        if self._otherwise is None:
            raise error
        with self._loading:
            if self._steps is steps:     # else another thread has been here
                if self._has_run or self._card.recorder.current is not None:
                    raise error
                self._steps = self._made(self._otherwise(error).commands)
            return self._steps

    def _load(self, inputs):
        """The steps of a call, made by the first one."""
        commands = self._work.commands
        if callable(commands):
            return self._made(commands({k: inputs[k] for k in self.host_inputs}))
        with self._loading:
            if self._steps is None:
                self._steps = self._made(commands)
            return self._steps

    def _made(self, commands):
        for command in commands:         # all are under way before the first is waited for
            if isinstance(command, Launch):
                self._card.programs.prepare(command.source, self)
        return [_MAKERS[type(command)](self._card, command, self) for command in commands]


def _drawn_blocks(commands, op_type):
    draws = {a for c in commands if isinstance(c, Launch) for a in c.args if isinstance(a, Draw)}
    if len(draws) > 1:
        raise ValueError(f"the kernel of {op_type} draws {len(draws)} times; one Draw for all its launches is what a "
                         "call can reserve")
    return draws.pop().blocks if draws else 0


class _Address(NamedTuple):
    """An argument that is filled in at each call: where in the packed arguments, and what."""

    word: int                            # 8 bytes each
    kind: str
    index: int                           # type: ignore[assignment]
    offset: int


def _launch(card, command, bound):
    """A step that launches a kernel."""
    function = card.programs.function(command.source, command.entry)
    if command.shared > _DEFAULT_SHARED_BYTES:
        most = card.driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
        with card.lock, card.context:    # nodes share the function: another may have asked for more
            if function.get_attribute(most) < command.shared:
                function.set_attribute(most, command.shared)
    packed, addresses, flags = _packed(command, bound.op_type)
    words, op_name = memoryview(packed).cast("Q") if addresses or flags else None, bound.op_name
    grid, block, shared, launch = _three(command.grid), _three(command.block), command.shared, function._launch_kernel

    def step(card, places, stream):
        for word, kind, index, offset in addresses:
            words[word] = places[kind][index] + offset
        for word, flag in flags:
            words[word] = card.record_for(flag, op_name).address
        launch(grid, block, packed, shared, stream)
    return step


def _packed(command, op_type):
    """The arguments as the card finds them, and which of them are filled in at each call."""
    packed, addresses, flags = bytearray(), [], []
    for argument in command.args:
        if isinstance(argument, (Operand, Draw, Flag)):
            value, align = bytes(8), 8
        else:
            scalar = np.asarray(argument)
            if scalar.ndim or scalar.dtype.hasobject or not isinstance(argument, np.generic):
                raise TypeError(f"{op_type}: an argument of {command.entry} is {argument!r}; an Operand, a Draw, a "
                                "Flag or a NumPy scalar was expected")
            value, align = scalar.tobytes(), scalar.dtype.itemsize // (2 if scalar.dtype.kind == "c" else 1)
        packed += bytes(-len(packed) % align)
        word = len(packed) // 8
        if isinstance(argument, Operand):
            addresses.append(_Address(word, *argument))
        elif isinstance(argument, Draw):
            addresses.append(_Address(word, "draw", 0, 0))
        elif isinstance(argument, Flag):
            flags.append((word, argument))
        packed += value
    if addresses or flags:
        packed += bytes(-len(packed) % 8)                # as a C struct of the arguments ends
    return packed, addresses, flags


def _three(sizes):
    sizes = tuple(int(n) for n in sizes)
    return sizes + (1,) * (3 - len(sizes))


def _copy(card, command, bound):
    """A step that copies inside the card."""
    to, source, nbytes, copy = command.to, command.source, command.nbytes, card.driver.memcpy_dtod_async

    def step(card, places, stream):
        copy(places[to.kind][to.index] + to.offset, places[source.kind][source.index] + source.offset, nbytes, stream)
    return step if nbytes else _nothing


def _fill(card, command, bound):
    """A step that sets bytes."""
    to, nbytes, byte, fill = command.to, command.nbytes, command.byte, card.driver.memset_d8_async

    def step(card, places, stream):
        fill(places[to.kind][to.index] + to.offset, byte, nbytes, stream)
    return step if nbytes else _nothing


def _library_call(card, command, bound):
    """A step that calls a library."""
    function, operands = command.function, command.operands

    def step(card, places, stream):
        function(stream.handle, *[places[o.kind][o.index] + o.offset for o in operands])
    return step


def _nothing(card, places, stream):
    pass


_MAKERS = {Launch: _launch, Copy: _copy, Fill: _fill, LibraryCall: _library_call}
