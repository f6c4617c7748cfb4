"""The thread pool: fixed chunks, scratch memory, nesting, forks, several callers. Reached as a plugin reaches it."""
import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from thalweg import devices
from thalweg.devices import DevicePlugin
from thalweg.devices.handshake import open_plugin
from thalweg.testing import ctypes_abi as abi


@pytest.fixture(scope="module")
def core():
    native = abi.Plugin()
    open_plugin(DevicePlugin("ACME", native.open), native.open(), "plugin acme")
    yield native.core


def context(threads, scratch_bytes=0):
    return abi.RunContext(threads=threads, scratch_bytes=scratch_bytes)


def region(core, n, grain, body, threads=4, scratch_bytes=0):
    """Runs a Python body; gives the context."""
    run = context(threads, scratch_bytes)
    core.parallel_for(ctypes.addressof(run), n, grain, abi.Body(lambda arg, *rest: body(*rest)), None)
    return run


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("n", "grain"), [(0, 4), (1, 4), (4, 4), (5, 4), (103, 10), (103, 1), (7, 0), (7, 2**62)])
def test_chunks_depend_on_n_and_grain_alone(core, threads, n, grain):
    seen = []
    region(core, n, grain, lambda begin, end, scratch: seen.append((begin, end)), threads)
    step = max(grain, 1)
    assert sorted(seen) == [(i, min(i + step, n)) for i in range(0, n, step)]


def test_several_threads_take_part(core):
    workers = set()
    deadline = time.monotonic() + 20
    while len(workers) < 3 and time.monotonic() < deadline:
        region(core, 30, 1, lambda begin, end, scratch: (workers.add(threading.get_native_id()), time.sleep(0.001)),
               threads=3)
    assert len(workers) == 3
    assert devices.started_workers() >= 2


def test_sums_are_the_same_bits_for_every_number_of_threads(core):
    values = np.random.default_rng(5).normal(size=20_000).astype(np.float32)

    def total(threads):
        parts = np.zeros(200, np.float32)

        def body(begin, end, scratch):
            parts[begin // 100] = values[begin:end].sum()
        region(core, len(values), 100, body, threads)
        return parts.sum().tobytes()
    assert len({total(threads) for threads in (1, 2, 3, 5, 8)}) == 1


def test_each_thread_has_aligned_scratch_of_its_own(core):
    owners = {}

    def body(begin, end, scratch):
        assert scratch % 64 == 0
        ctypes.memset(scratch, 7, 100_000)
        assert owners.setdefault(scratch, threading.get_native_id()) == threading.get_native_id()
        time.sleep(0.001)
    run = region(core, 40, 1, body, scratch_bytes=100_000)
    assert run.code == 0 and owners


def test_nested_regions_run_on_their_caller_with_other_scratch(core):
    problems = []

    def outer(begin, end, scratch):
        thread = threading.get_native_id()

        def inner(begin, end, deeper):
            if threading.get_native_id() != thread or deeper == scratch:
                problems.append((deeper, scratch))
        region(core, 5, 1, inner, scratch_bytes=64)
    region(core, 8, 1, outer, scratch_bytes=64)
    assert not problems


def test_nesting_has_no_bottom(core):
    depths = []

    def dive(depth):
        def body(begin, end, scratch):
            ctypes.memset(scratch, 1, 1000)
            depths.append(depth)
            if depth < 10:
                dive(depth + 1)
        region(core, 1, 1, body, scratch_bytes=1000)
    dive(0)
    assert depths == list(range(11))


def test_no_memory_for_scratch_is_told(core):
    ran = []
    run = region(core, 10, 1, lambda *chunk: ran.append(chunk), scratch_bytes=2**60)
    assert run.code == abi.OOM and b"scratch" in run.message and not ran


def test_several_callers_at_once(core):
    totals = {}

    def caller(k):
        for _ in range(50):
            hits = [0] * 40

            def body(begin, end, scratch, hits=hits):
                hits[begin] += 1
            region(core, 40, 1, body, threads=3)
            assert hits == [1] * 40
        totals[k] = True
    threads = [threading.Thread(target=caller, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(totals) == 4


def test_a_child_of_fork_has_a_pool_of_its_own():
    program = """
import ctypes, os, signal, sys
from thalweg.devices import DevicePlugin, started_workers
from thalweg.devices.handshake import open_plugin
from thalweg.testing import ctypes_abi as abi
native = abi.Plugin()
devices = open_plugin(DevicePlugin("ACME", native.open), native.open(), "plugin acme")
def region():
    run, hits = abi.RunContext(threads=3), []
    body = abi.Body(lambda arg, begin, end, scratch: hits.append(begin))
    native.core.parallel_for(ctypes.addressof(run), 100, 1, body, None)
    return sorted(hits) == list(range(100))
assert region() and started_workers() == 2
for _ in range(5):
    child = os.fork()
    if not child:
        signal.alarm(20)
        os._exit(0 if started_workers() == 0 and region() and region() and started_workers() == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert region()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_workers_leave_signals_to_python():
    program = """
import ctypes, os, signal, threading, time
from thalweg.devices import DevicePlugin, started_workers
from thalweg.devices.handshake import open_plugin
from thalweg.testing import ctypes_abi as abi
native = abi.Plugin()
devices = open_plugin(DevicePlugin("ACME", native.open), native.open(), "plugin acme")
run = abi.RunContext(threads=4)
native.core.parallel_for(ctypes.addressof(run), 100, 1, abi.Body(lambda *a: None), None)
blocked = []
for task in os.listdir("/proc/self/task"):
    fields = dict(line.split(":", 1) for line in open(f"/proc/self/task/{task}/status") if ":" in line)
    blocked.append(int(fields["SigBlk"], 16) >> (signal.SIGINT - 1) & 1)
assert started_workers() == 3 and sum(blocked) >= 3, blocked
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr


def test_the_number_of_threads_is_set_and_reset(monkeypatch):
    try:
        assert devices.set_threads(3) == 3
        monkeypatch.setenv("THALWEG_NUM_THREADS", "5")
        assert devices.set_threads() == 5
        monkeypatch.setenv("THALWEG_NUM_THREADS", "many")
        with pytest.raises(ValueError, match="THALWEG_NUM_THREADS is 'many'; it must be a positive number, or unset"):
            devices.set_threads()
    finally:
        monkeypatch.delenv("THALWEG_NUM_THREADS", raising=False)
        devices.set_threads()
