"""The device DELAYED: an accelerator in Python, with addresses, whose work is done when somebody waits for it.

Its memory is the host's, but its addresses have a bit set that no address of a process has, so that touching one is a
fault; it is filled with NaN when it is allocated, as the target of a copy to the host is until the copy is done. What
is enqueued - kernels, which are the CPU's, and copies - runs at `sync`: a missing one shows as NaN. Work can be
recorded and replayed.

    from thalweg.testing import delayed_device
    with delayed_device.registered(fail_in={"Exp"}) as delayed:
        ...                     # "/device:DELAYED:0" is there; delayed.counts tells what it was asked for
"""
import collections
import contextlib
import ctypes
import threading
import weakref

import numpy as np

from thalweg import devices
from thalweg.devices import DevicePlugin
from thalweg.framework.dtypes import as_dtype
from thalweg.runtime.single_call import run_kernel

_MARK = 1 << 55                          # as in _fake.pyx


class Delayed:
    """A PyDevice.

    Parameters
    ----------
    devices : int               ordinals
    limit_bytes : int           memory of each
    missing : op types          for which it has no kernel
    refuses : callable          KernelRequest -> why it has no kernel, or None
    synchronous : op types      whose kernels wait for their result
    fail_in : op types          whose work fails, which shows at the next `sync`
    host_inputs : dict          op type -> inputs that its kernel wants on the host
    workspace_bytes : int       that each kernel asks for, and fills
    unrecordable : op types     whose kernels cannot be called while somebody records
    no_recording : str          why `record_end` refuses; empty: it does not
    rng_blocks : dict           op type -> blocks that its kernel draws each time, from a generator on the device

    Attributes
    ----------
    counts : Counter            kernels, h2d, d2h, d2d, peer, sync, alloc, record, replay; bytes_h2d, bytes_d2h
    options : dict              what `configure` was given
    intruders : list            what other threads have asked for while one recorded
    """

    def __init__(self, devices=1, limit_bytes=1 << 30, missing=(), refuses=None, synchronous=(), fail_in=(),
                 host_inputs=None, workspace_bytes=0, unrecordable=(), no_recording="", rng_blocks=None):
        self.limit_bytes, self.missing, self.synchronous, self.fail_in = limit_bytes, missing, synchronous, fail_in
        self.refuses = refuses or (lambda op: None)
        self.host_inputs, self.workspace_bytes = host_inputs or {}, workspace_bytes
        self.unrecordable, self.no_recording = unrecordable, no_recording
        self.rng_blocks, self.options, self.intruders = rng_blocks or {}, {}, []
        self.counts = collections.Counter()
        self.recordings = []
        lock = threading.RLock()         # one for all: copies between ordinals do the work of both
        self.ordinals = [_Ordinal(lock) for _ in range(devices)]

    def count(self):
        """Ordinals of this process."""
        return len(self.ordinals)

    # --- memory --------------------------------------------------------------------------------------

    def alloc(self, i, nbytes, align):
        """An address; MemoryError beyond the limit."""
        here = self._here(i, "alloc")
        if here.used_bytes + nbytes > self.limit_bytes:
            here.drain()                 # what has been freed is freed when the work before it is done
        if here.used_bytes + nbytes > self.limit_bytes:
            raise MemoryError(f"{nbytes} bytes, {self.limit_bytes - here.used_bytes} of {self.limit_bytes} are free")
        return here.add(nbytes, align)

    def free(self, i, address):
        """Takes effect after the work that has been enqueued."""
        here = self._here(i, "free")
        here.queue.append(lambda: here.remove(address))

    def stats(self, i):
        """What core shows of the memory."""
        here = self.ordinals[i]
        return {"bytes_in_use": here.used_bytes, "peak_bytes": here.peak_bytes, "bytes_limit": self.limit_bytes}

    # --- copies --------------------------------------------------------------------------------------

    def h2d(self, i, address, source, stream=None):
        """Reads the source now and writes later."""
        here, data = self._here(i, "h2d"), np.frombuffer(bytes(source), np.uint8)
        self.counts["bytes_h2d"] += data.nbytes
        here.enqueue(lambda: here.bytes_at(address, data.nbytes).__setitem__(slice(None), data))

    def d2h(self, i, target, address, stream=None):
        """Fills the target later."""
        here, target = self._here(i, "d2h"), np.frombuffer(target, np.uint8)
        self.counts["bytes_d2h"] += target.nbytes
        target.fill(0xFF)
        here.enqueue(lambda: target.__setitem__(slice(None), here.bytes_at(address, target.nbytes)))

    def d2d(self, i, target, source, nbytes, stream=None):
        """Copies inside of one ordinal."""
        here = self._here(i, "d2d", may_record=True)
        here.enqueue(lambda: here.bytes_at(target, nbytes).__setitem__(
            slice(None), here.bytes_at(source, nbytes).copy()))

    def sync(self, i, stream=None):
        """Does all work; raises what went wrong in it."""
        self._here(i, "sync").drain()

    def copy_peer(self, i, target, j, source, nbytes):
        """From ordinal j to ordinal i, in the order of both."""
        here, there = self._here(i, "peer"), self._here(j, "peer")
        before, done = _Event(there), _Event(here)

        def copy():
            before.wait()
            here.bytes_at(target, nbytes)[:] = there.bytes_at(source, nbytes)
        there.enqueue(before.set)
        here.enqueue(copy)
        here.enqueue(done.set)
        there.enqueue(done.wait)

    def _here(self, i, what, may_record=False):
        """An ordinal that is asked for something."""
        here = self.ordinals[i]
        self.counts[what] += 1
        if here.recorder not in (None, threading.get_ident()):
            self.intruders.append(what)
        if here.recorder is not None and not may_record:
            raise RuntimeError(f"DELAYED cannot {what} while it records")
        return here

    # --- recording and options -----------------------------------------------------------------------

    def record_begin(self, i):
        """From now on work is written down, not enqueued."""
        here = self._here(i, "record")
        here.recorder, here.recorded = threading.get_ident(), []

    def record_end(self, i):
        """What has been written down."""
        here = self.ordinals[i]
        here.recorder, recorded, here.recorded = None, here.recorded, None
        if self.no_recording:
            raise NotImplementedError(self.no_recording)
        self.recordings.append(weakref.ref(recording := _Recording(recorded)))
        return recording

    def replay(self, i, recording):
        """Enqueues it again."""
        self._here(i, "replay").queue.extend(recording.work)

    def live_recordings(self):
        """Count of the recordings that core has not given back."""
        return sum(r() is not None for r in self.recordings)

    def configure(self, i, options):
        """Keeps what a session's configuration says."""
        self.options[i] = options

    # --- kernels -------------------------------------------------------------------------------------

    def kernel(self, i, op):
        """The CPU's kernel, called later."""
        if op.op_type in self.missing:
            op.refusal = f"DELAYED was told to lack {op.op_type}"
            return None
        op.refusal = self.refuses(op)
        if op.refusal is not None:
            return None
        inner = devices.host_device().find_kernel(op)
        return None if inner is None else _Kernel(self, i, op, inner)


class _Ordinal:
    """One device: its memory by address, and what is to be done."""

    def __init__(self, lock):
        self.lock = lock
        self.blocks, self.queue = {}, collections.deque()
        self.recorder = self.recorded = None
        self.used_bytes = self.peak_bytes = 0
        self.error = None

    def add(self, nbytes, align):
        block = np.full(nbytes + align, 0xFF, np.uint8)
        address = block.ctypes.data + -block.ctypes.data % align | _MARK
        with self.lock:
            self.blocks[address] = nbytes, block
            self.used_bytes += nbytes
            self.peak_bytes = max(self.peak_bytes, self.used_bytes)
        return address

    def remove(self, address):
        with self.lock:
            self.used_bytes -= self.blocks.pop(address)[0]

    def bytes_at(self, address, nbytes):
        """The memory as an array; it must be allocated."""
        with self.lock:
            is_ours = any(start <= address and address + nbytes <= start + size
                          for start, (size, _) in self.blocks.items())
        if not is_ours:
            raise ValueError(f"{nbytes} bytes at {address:#x} are not allocated on this device")
        return np.frombuffer((ctypes.c_ubyte * nbytes).from_address(address & ~_MARK), np.uint8) if nbytes \
            else np.empty(0, np.uint8)

    def enqueue(self, work):
        (self.queue if self.recorder is None else self.recorded).append(work)

    def drain(self):
        with self.lock:                  # one after the other, whoever waits
            while self.queue:
                try:
                    self.queue.popleft()()
                except Exception as error:
                    self.error = self.error or error
            failed, self.error = self.error, None
        if failed is not None:
            raise failed


class _Recording:
    def __init__(self, work):
        self.work = work


class _Event:
    """A place in one ordinal's queue, to which another can wait."""

    def __init__(self, ordinal):
        self.ordinal, self.is_set = ordinal, False

    def set(self):
        self.is_set = True

    def wait(self):
        while not self.is_set:
            self.ordinal.queue.popleft()()


class _Kernel:
    """What core calls; the attributes are those of docs/devices.md, section 2."""

    def __init__(self, device, i, op, inner):
        self.device, self.i, self.here, self.op, self.inner = device, i, device.ordinals[i], op, inner
        self.is_random = op.declaration is not None and op.declaration.is_random
        self.rng_blocks = device.rng_blocks.get(op.op_type, 0) if self.is_random else 0
        self.is_async = op.op_type not in device.synchronous
        self.host_inputs = device.host_inputs.get(op.op_type, ())
        self.workspace_bytes = device.workspace_bytes
        self.deterministic = True
        few = range(min(len(op.in_dtypes), 8))
        self.inplace = tuple(k for k in few if inner.may_overwrite(k, 0))
        self.inplace_second = tuple(k for k in few if inner.may_overwrite(k, 1))

    def __call__(self, inputs, outputs, workspace=None, rng=None):
        self.device._here(self.i, "kernels", may_record=self.op.op_type not in self.device.unrecordable)
        inputs = [value.copy() if k in self.host_inputs else value for k, value in enumerate(inputs)]
        self.here.enqueue(lambda: self._try(inputs, outputs, workspace, rng))
        if not self.is_async:
            self.here.drain()

    def _try(self, *operands):
        try:
            self._run(*operands)
        except Exception as error:
            error.op_name = self.op.name         # core tells the op and its line
            raise

    def _run(self, inputs, outputs, workspace, rng):
        if self.op.op_type in self.device.fail_in:
            raise RuntimeError(f"DELAYED was told to fail in {self.op.op_type}")
        if workspace is not None:
            self.here.bytes_at(workspace, self.workspace_bytes).fill(0xFF)
        arrays = [value if k in self.host_inputs else self._array(value, self.op.in_shapes[k], self.op.in_dtypes[k])
                  for k, value in enumerate(inputs)]
        if self.is_random:
            rng = self._generator(rng) if self.rng_blocks else rng
            results = self.op.declaration.reference(arrays, self.op.attrs, rng=rng)
        else:
            results = run_kernel(self.inner, arrays, list(self.op.out_shapes),
                                 [as_dtype(d) for d in self.op.out_dtypes], None, bool(self.op.ref_outputs), 0)
        for k, result in enumerate(results):
            if k not in self.op.ref_outputs:
                self._array(outputs[k], self.op.out_shapes[k], self.op.out_dtypes[k])[...] = result

    def _generator(self, address):
        words = self.here.bytes_at(address, 24).view(np.uint32).tolist()
        return _Generator(tuple(words[:2]), tuple(words[2:]), self.rng_blocks)

    def _array(self, address, shape, dtype):
        dtype = as_dtype(dtype).np
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return self.here.bytes_at(address, nbytes).view(dtype).reshape(shape)


class _Generator:
    """The blocks that core has drawn for one call."""

    def __init__(self, key, counter, blocks):
        self.key, self.counter, self.blocks = key, counter, blocks

    def reserve(self, blocks):
        if blocks != self.blocks:
            raise ValueError(f"{blocks} blocks are drawn, {self.blocks} have been announced")
        return self.counter


@contextlib.contextmanager
def registered(**faults):
    """DELAYED is a device inside the `with`; the arguments are Delayed's."""
    device = Delayed(**faults)
    devices.register(DevicePlugin("DELAYED", lambda: device, priority=20, addresses=True,
                                  options=("allow_growth", "per_process_gpu_memory_fraction", "beta")))
    try:
        yield device
    finally:
        devices.unregister("DELAYED")
