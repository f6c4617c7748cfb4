"""What a kernel does when it runs: launches, copies and library calls, described without a driver.

A prepare function (kernels/) makes a `Work` for one node of a plan, with all shapes known. The device binds it:
sources are compiled, and a run fills in the addresses of the operands. Tests run the same Work on the processor.
"""
from collections.abc import Callable
from typing import NamedTuple


class Unsupported(Exception):
    """A prepare function has no kernel for a request; the text says why, for the one who asks why the CPU ran it."""


class Operand(NamedTuple):
    """A place on the device: an input, an output or the workspace of the node, from byte `offset` on."""

    kind: str                    # "in", "out" or "workspace"
    index: int                   # type: ignore[assignment]
    offset: int = 0

    def __add__(self, nbytes):   # type: ignore[override]
        return self._replace(offset=self.offset + nbytes)


def input_(index, offset=0):
    """Input number `index` of the node."""
    return Operand("in", index, offset)


def output(index=0, offset=0):
    """Output number `index` of the node."""
    return Operand("out", index, offset)


def workspace(offset=0):
    """The memory of `Work.workspace_bytes`, 256-byte aligned, contents undefined at the start of a run."""
    return Operand("workspace", 0, offset)


class Draw(NamedTuple):
    """The argument of a random kernel: a pointer to six uint32 on the device.

    They are the Philox key (2 words) of the node's generator, then the counter (4, lowest first) of the first of
    `blocks` 128-bit blocks that this run has taken from it, as core puts them there. All launches share one Draw.
    """

    blocks: int


FLAG_WORDS = 16


class Flag(NamedTuple):
    """The argument of a kernel that may find its inputs wrong: a pointer to FLAG_WORDS int64 on the device, all zero.

    What finds something first sets word 0 to a number other than 0 (kernels/_flags.py) and tells more in the words
    after it. The runtime examines them when it synchronises, sets them to zero again, and raises an
    InvalidArgumentError. Until then everything runs on: what follows must not read or write outside of its operands.

    Attributes
    ----------
    tell : callable     the words as a list of ints -> what is wrong, in the words of the CPU's kernel
    """

    tell: Callable


class Source(NamedTuple):
    """A translation unit in CUDA C.

    Attributes
    ----------
    text : str              all of it, with `extern "C" __global__` entries; kernels/prelude.py is part of it
    options : tuple of str  of NVRTC, besides the architecture: ("--fmad=false",) where bits must be the CPU's
    """

    text: str
    options: tuple = ()


class Launch(NamedTuple):
    """One launch.

    Attributes
    ----------
    source : Source
    entry : str
    grid, block : tuple     up to three sizes, each at least 1; at most 1024 threads in a block
    args : tuple            in the order of the parameters: Operand, Draw and Flag (pointers), NumPy scalars
    shared : int            dynamic shared memory, bytes
    """

    source: Source
    entry: str
    grid: tuple
    block: tuple
    args: tuple
    shared: int = 0


class Copy(NamedTuple):
    """`nbytes` bytes from one operand to another of the same device.

    They do not overlap, or are the same place: then there is nothing to do.
    """

    to: Operand
    source: Operand
    nbytes: int


class Fill(NamedTuple):
    """Sets `nbytes` bytes to the value `byte`."""

    to: Operand
    nbytes: int
    byte: int = 0


class LibraryCall(NamedTuple):
    """A call of cuBLASLt or cuDNN: `function(stream, *addresses)` enqueues it, with the operands' addresses."""

    name: str
    function: Callable
    operands: tuple


class Work(NamedTuple):
    """All that one kernel does, in order.

    Attributes
    ----------
    commands : tuple            of the classes above; or a function that makes it from the values of `host_inputs`
                                (a dict: number of the input -> NumPy array) where they are known at run only
    workspace_bytes : int
    inplace, inplace_second : tuple of int    inputs in whose buffers output 0, output 1 may be made
    host_inputs : tuple of int  inputs that are read on the host, not on the device
    otherwise : callable or None    of a library's plan: (LibraryError of its first call) -> the Work that is run
                                instead from then on; `workspace_bytes` are enough for both
    """

    commands: object
    workspace_bytes: int = 0
    inplace: tuple = ()
    inplace_second: tuple = ()
    host_inputs: tuple = ()
    otherwise: Callable | None = None


class Target(NamedTuple):
    """The device that kernels are prepared for.

    Attributes
    ----------
    capability : (int, int)         compute capability, (9, 0)
    multiprocessors : int
    shared_bytes : int              most dynamic shared memory of a block, with opt-in
    libraries : dict                "cublaslt", "cudnn" -> the opened library (libraries/), where there is one
    choices : Choices or None       of a kernel and its rivals of libraries (libraries/choices.py); None: the first
    """

    capability: tuple = (9, 0)
    multiprocessors: int = 132
    shared_bytes: int = 48 << 10
    libraries: dict = {}
    choices: object = None
