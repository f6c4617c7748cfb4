"""A plugin in C that records: what core calls, through the table alone."""
import ctypes
import os
import signal
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg import devices
from thalweg.devices import DevicePlugin, KernelPlugin
from thalweg.testing import ctypes_abi as abi

ENTRIES = dict(abi.DeviceApi._fields_)


class Recorder(abi.Plugin):
    """`Neg` of four floats, asynchronous. While it records, calls are written down, and replays make them again."""

    def __init__(self, code_of_end=abi.OK, code_of_begin=abi.OK):
        super().__init__()
        self.code_of_end, self.code_of_begin = code_of_end, code_of_begin
        self.recorded, self.recordings, self.calls = None, {}, []
        for name in ("record_begin", "record_end", "replay", "recording_free"):
            setattr(self.table, name, ENTRIES[name](getattr(self, name)))
        self.kernel = abi.KernelFunction(self.negate)

    def _find(self, dev, desc, out):
        code = super()._find(dev, desc, out)
        if code == abi.OK:
            out[0].fn, out[0].flags = self.kernel, 1 << 32
        return code

    def negate(self, call, ins, n_in, outs, n_out):
        ends = ins[0].data, outs[0].data
        self.calls.append("kernel")
        if self.recorded is None:
            self.work(*ends)
        else:
            self.recorded.append(ends)
        return abi.OK

    def work(self, source, target):
        values = (ctypes.c_float * 4).from_address(source)
        (ctypes.c_float * 4).from_address(target)[:] = [-v for v in values]

    def record_begin(self, dev, stream):
        self.calls.append("begin")
        self.recorded = []
        if self.code_of_begin:
            self.core.set_error(None, self.code_of_begin, b"half of it went well")
        return self.code_of_begin

    def record_end(self, dev, stream, out):
        self.calls.append("end")
        recorded, self.recorded = self.recorded, None
        if self.code_of_end:
            self.core.set_error(None, self.code_of_end, b"the stream was left in a bad state")
            return self.code_of_end
        key = len(self.calls)
        self.recordings[key], out[0] = recorded, key
        return abi.OK

    def replay(self, dev, stream, key):
        self.calls.append("replay")
        for ends in self.recordings[key]:
            self.work(*ends)
        return abi.OK

    def recording_free(self, dev, key):
        self.calls.append("free")
        del self.recordings[key]


@pytest.fixture
def recorder(request):
    plugin = Recorder(*getattr(request, "param", ()))
    devices.register(DevicePlugin("RECORDER", plugin.open))
    with tf.Graph().as_default():
        yield plugin
    devices.unregister("RECORDER")


def negations(n):
    x = y = tf.placeholder(tf.float32, [4])
    with tf.device("/device:RECORDER:0"):
        for _ in range(n):
            y = tf.negative(y)
    return x, y


CONFIG = tf.ConfigProto(graph_options=tf.GraphOptions(optimizer_options=tf.OptimizerOptions(opt_level=-1)))


def test_core_records_in_the_second_run_and_gives_back_with_the_session(recorder):
    x, y = negations(3)
    with tf.Session(config=CONFIG) as session:
        for k in range(4):
            assert session.run(y, {x: np.arange(4) + k}).tolist() == [-k, -1 - k, -2 - k, -3 - k]
    assert recorder.calls == [*["kernel"] * 3, "begin", *["kernel"] * 3, "end", "replay", "replay", "replay", "free"]
    assert not recorder.recordings


def run_four_times():
    """The metadata of the last run of three negations, whose results are right in each."""
    x, y = negations(3)
    metadata = tf.RunMetadata()
    with tf.Session(config=CONFIG) as session:
        for k in range(4):
            value = session.run(y, {x: np.arange(4) + k}, run_metadata=metadata)
            assert value.tolist() == [-k, -1 - k, -2 - k, -3 - k]
    return metadata


@pytest.mark.parametrize("recorder", [(abi.UNIMPLEMENTED,), (abi.INTERNAL,)], indirect=True)
def test_a_code_of_record_end_makes_the_segment_eager(recorder):
    metadata = run_four_times()
    assert recorder.calls == [*["kernel"] * 3, "begin", *["kernel"] * 3, "end", *["kernel"] * 9]
    assert [s.refusal for s in metadata.segments] == ["the stream was left in a bad state"]


@pytest.mark.parametrize("recorder", [(abi.OK, abi.INTERNAL), (abi.INTERNAL, abi.INTERNAL)], indirect=True)
def test_after_a_code_of_record_begin_the_recording_is_ended_too(recorder):
    metadata = run_four_times()
    ending = [] if recorder.code_of_end else ["free"]        # what it gave all the same is given back
    assert recorder.calls == [*["kernel"] * 3, "begin", "end", *ending, *["kernel"] * 9]
    assert [s.refusal for s in metadata.segments] == ["half of it went well"]


def test_a_code_without_words_names_the_op(recorder):
    recorder.kernel = abi.KernelFunction(lambda *args: abi.OOM)
    x, y = negations(1)
    with tf.Session(config=CONFIG) as session, pytest.raises(
            tf.errors.ResourceExhaustedError, match=r"kernel failed with code 2\n\t \[\[Neg 'Neg'\]\]"):
        session.run(y, {x: np.ones(4)})


class Held:
    """A thread that records on the device RECORDER, from its creation until `end()`."""

    def __init__(self, recorder):
        has_begun, self.may_end = threading.Event(), threading.Event()

        def begin(dev, stream):
            has_begun.set()
            assert self.may_end.wait(60)
            return Recorder.record_begin(recorder, dev, stream)
        recorder.table.record_begin = self.begin = ENTRIES["record_begin"](begin)
        devices.unregister("RECORDER")                   # the table is copied when a device is opened
        devices.register(DevicePlugin("RECORDER", recorder.open))
        x, y = negations(3)
        self.session = tf.Session(config=CONFIG)
        self.session.run(y, {x: np.ones(4)})
        self.thread = threading.Thread(target=self.session.run, args=(y, {x: np.ones(4)}))
        self.thread.start()
        assert has_begun.wait(60)

    def end(self):
        self.may_end.set()
        self.thread.join(60)
        self.session.close()


def test_a_recording_waits_for_one_node_of_a_plan_that_is_made_meanwhile(recorder):
    calls = recorder.calls
    (x, y), (x2, y2) = negations(3), negations(3)

    def find(dev, desc, out):
        calls.append("find")
        if calls.count("find") == 4:     # the first of the second plan
            thread.start()
            thread.join(2)               # it comes as far as the gate
        return Recorder._find(recorder, dev, desc, out)
    recorder.table.find_kernel = function = ENTRIES["find_kernel"](find)
    with tf.Session(config=CONFIG) as session:
        session.run(y, {x: np.ones(4)})
        thread = threading.Thread(target=session.run, args=(y, {x: np.ones(4)}))
        session.run(y2, {x2: np.ones(4)})
        thread.join(60)
    assert function and calls[:12] == [*["find"] * 3, *["kernel"] * 3, "find", "begin", *["kernel"] * 3, "end"]
    assert calls.count("find") == 6


def test_the_child_of_a_fork_does_not_wait_for_a_recording(recorder):
    held = Held(recorder)
    device = devices.find_device("RECORDER")[0]
    child = os.fork()
    if not child:
        signal.alarm(20)
        device.free(device.alloc(64))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    held.end()
    assert status == 0


def test_kernels_of_another_package_are_not_prepared_while_one_records(recorder, request):
    calls = recorder.calls

    def find(dev, core, desc, out):
        calls.append("provider")
        return abi.UNIMPLEMENTED
    function = dict(abi.KernelsApi._fields_)["find_kernel"](find)
    table = abi.KernelsApi(struct_size=ctypes.sizeof(abi.KernelsApi), abi_major=abi.ABI_MAJOR, find_kernel=function)
    devices.register(KernelPlugin("RECORDER", abi.capsule(table, abi.KERNELS_CAPSULE), name="extra"))
    request.addfinalizer(lambda: devices.unregister("extra"))
    held = Held(recorder)
    x, y = negations(3)
    with tf.Session(config=CONFIG) as session:
        del calls[:]
        thread = threading.Thread(target=session.run, args=(y, {x: np.ones(4)}))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive() and not calls
        held.end()
        thread.join(60)
    assert calls.index("end") < calls.index("provider")
