"""cuBLASLt and cuDNN on a card: they agree with our kernels, in a session and replayed; timing of choices."""
import ctypes
import json

import numpy as np
import pytest

import thalweg as tf
from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels
from thalweg_cuda._version import __version__
from thalweg_cuda.kernels import _by_im2col
from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.libraries.choices import Choices
from thalweg_cuda.libraries.cublaslt import CublasLt
from thalweg_cuda.libraries.cudnn import Cudnn
from thalweg_cuda.work import Fill, Launch, LibraryCall, Source, Work, output

RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture(params=["installed", "double"])
def libraries(request, card):
    """A function from a name to the libraries of a Target: the card's own, or a double on the stand-in's memory."""
    def of(name):
        if request.param == "double":
            return {name: _double(name)}
        if card.target.libraries.get(name) is None:
            pytest.skip(f"no {name}: {card.target.libraries.reasons[name]}")
        return card.target.libraries
    return of


def _double(name):
    from standin import driver
    if not driver.is_loaded():
        pytest.skip("a double computes on memory of the host, which a real card's is not")
    from emulation.fake_cublaslt import FakeCublasLt
    from emulation.fake_cudnn import FakeCudnn
    return CublasLt(FakeCublasLt(enqueue=_enqueue)) if name == "cublaslt" else Cudnn(FakeCudnn(enqueue=_enqueue))


_HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_kept: list = []                         # a recording calls them again


def _enqueue(stream, function):
    """Has a function called when the stream is so far, each time that a recording is replayed."""
    callback = _HostFunction(lambda data: function())
    _kept.append(callback)
    assert ctypes.CDLL("libcuda.so.1").cuLaunchHostFunc(ctypes.c_void_p(stream), callback, None) == 0


class Only:
    """Choices that takes what a library offers first, and counts."""

    def __init__(self, prefix):
        self.prefix, self.taken = prefix, 0

    def choose(self, key, candidates, in_bytes, out_bytes):
        for name, work in candidates:
            if name.startswith(self.prefix):
                self.taken += 1
                return work
        return candidates[-1][1]


def results(build, arrays):
    """Of three runs, the last of which are replays."""
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        variables = [tf.Variable(a) for a in arrays]
        outputs = build(*variables)
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            found = [session.run(outputs) for _ in range(3)]
    for other in found[1:]:
        for first, second in zip(found[0], other):
            np.testing.assert_array_equal(first, second)
    return found[0]


def compared(card, prefix, offered, build, *arrays, tolerance=1e-4):
    before, only = card.target, Only(prefix)
    try:
        card.target = before._replace(choices=Only("own"))
        ours = results(build, arrays)
        card.target = before._replace(choices=only, libraries=offered)
        theirs = results(build, arrays)
    finally:
        card.target = before
    assert only.taken
    for mine, other in zip(ours, theirs):
        np.testing.assert_allclose(other, mine, tolerance, 0.1 * tolerance * np.abs(mine).max())


def test_products_of_cublaslt(card, libraries):
    compared(card, "cublaslt", libraries("cublaslt"),
             lambda a, b, c: [tf.nn.relu(tf.matmul(a, b) + c), tf.matmul(a, b, transpose_a=True)],
             numbers(64, 64), numbers(64, 40), numbers(40))


def test_a_nan_survives_relu(card, libraries):
    """Our tiles keep it; of cuBLASLt's own epilogue, max(x, 0), that is not said."""
    before, only, a = card.target, Only("cublaslt"), numbers(64, 64)
    a[7, 3] = np.nan
    card.target = before._replace(choices=only, libraries=libraries("cublaslt"))
    try:
        found, = results(lambda a, b, c: [tf.nn.relu(tf.matmul(a, b) + c)], [a, numbers(64, 40), numbers(40)])
    finally:
        card.target = before
    assert only.taken and np.isnan(found[7]).all() and np.isnan(found).sum() == 40


def test_a_plan_that_is_refused_makes_way_for_our_kernel(card, counters, caplog, tmp_path):
    """The first run meets it, and the second is recorded; the choice is gone from the file."""
    before, double, path = card.target, _double("cublaslt"), tmp_path / "choices.json"
    choices = Choices(path, "card", lambda work, ins, outs: float(isinstance(work.commands[0], Launch)))
    double.library.cublasLtMatmul = lambda *args: 15
    card.target = before._replace(choices=choices, libraries={"cublaslt": double})
    a, b = numbers(30, 40), numbers(40, 50)
    try:
        with tf.device("/gpu:0"):
            x = tf.placeholder(tf.float32, a.shape)
            y = tf.tanh(tf.matmul(x * 2, b)) + 1         # three steps are enough for a recording
        with tf.Session() as session:
            for k in range(3):
                counters()
                np.testing.assert_allclose(session.run(y, {x: a}), np.tanh(a * 2 @ b) + 1, 1e-4, 1e-4)
                assert counters()["graph_launches"] == (k > 0)
                kept = json.loads(path.read_text())["card"]          # plans ask for fused products, too
                assert not [key for key in kept if key.startswith("MatMul ")]
    finally:
        card.target = before
    told = [record for record in caplog.records if "a kernel of our own runs instead" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]


def test_workspaces_and_operands_are_aligned(card):
    """The doubles look at every address: here the second algorithm's, which wants a workspace, between odd sizes."""
    def build(a, b, c):
        first = tf.matmul(a * 2, b)                      # 3 x 7
        return [first, tf.matmul(tf.matmul(first * 3, c) * 2, c, transpose_b=True)]
    compared(card, "cublaslt 1", {"cublaslt": _double("cublaslt")}, build, numbers(3, 5), numbers(5, 7),
             numbers(7, 11))


def test_a_feed_that_starts_anywhere_is_aligned(card):
    """Another package's view lies where it begins, and NVIDIA's libraries count on 16 bytes."""
    before, only, offered = card.target, Only("cublaslt"), {"cublaslt": _double("cublaslt")}
    card.target = before._replace(choices=only, libraries=offered)
    try:
        with tf.device("/gpu:0"):
            x = tf.placeholder(tf.float32, [4, 4])
            y = tf.matmul(x, x)
        address, value = card.alloc(68), numbers(17)
        card.h2d(address, memoryview(value).cast("B"))
        view, inside = SimpleInterface(address + 4, (4, 4)), value[1:].reshape(4, 4)
        with tf.Session() as session:
            for _ in range(3):
                np.testing.assert_allclose(session.run(y, {x: view}), inside @ inside, 1e-4, 1e-4)
        card.pool.free(address)
    finally:
        card.target = before
    assert only.taken


class SimpleInterface:
    """float32 at an address, as a package without DLPack tells of it."""

    def __init__(self, address, shape):
        self.interface = {"shape": shape, "typestr": "<f4", "data": (address, False), "version": 3}

    @property
    def __cuda_array_interface__(self):
        return self.interface


def test_convolutions_of_cudnn(card, libraries):
    def build(x, w):
        y = tf.nn.conv2d(x, w, strides=[1, 2, 2, 1], padding="SAME")
        return [y, *tf.gradients(tf.reduce_sum(y * y), [x, w])]
    compared(card, "cudnn", libraries("cudnn"), build, numbers(4, 20, 21, 16), numbers(3, 3, 16, 32))


def test_written_out_windows_of_cublaslt(card, libraries, monkeypatch):
    monkeypatch.setattr(_by_im2col, "MATRIX_BYTES", 100_000)

    def build(x, w):
        x, w = (tf.cast(v, tf.float16) for v in (x, w))
        y = tf.nn.conv2d(x, w, strides=[1, 2, 2, 1], padding="SAME")
        return [tf.cast(v, tf.float32) for v in (y, *tf.gradients(tf.reduce_sum(tf.cast(y * y, tf.float32)), [x, w]))]
    compared(card, "cublaslt im2col", libraries("cublaslt"), build, numbers(4, 20, 21, 16), numbers(3, 3, 16, 32),
             tolerance=1e-2)


def test_a_kernel_is_timed(card, tmp_path):
    attrs = {"transpose_a": False, "transpose_b": False}
    request = KernelRequest("MatMul", attrs, [(40, 50), (50, 60)], [(40, 60)], [1, 1], [1])
    work = kernels.prepare(request, card.target._replace(libraries={}))
    timed = card.target.choices.measure(work, (8000, 12000), (9600,))
    assert 0 < timed < 1e9
    choices, slow = Choices(tmp_path / "choices.json", "card", card.target.choices.measure), _repeated(work, 50)
    assert choices.choose("key", [("slow", slow), ("fast", work)], (8000, 12000), (9600,)) is work
    assert json.loads((tmp_path / "choices.json").read_text()) == {"card": {"key": "fast"}}


def _repeated(work, times):
    return work._replace(commands=work.commands * times)


def negation(card):
    return kernels.prepare(KernelRequest("Neg", {}, [(3,)], [(3,)], [1], [1]), card.target)


def test_what_is_timed_is_the_replay_of_a_graph(card, counters):
    """As a plan runs in its steady state: of launches by the host there are but the first two, which warm up."""
    counters()
    assert 0 < card.target.choices.measure(negation(card), (12,), (12,)) < 1e9
    done = counters()
    assert done["launches"] == 2 and done["graph_instantiations"] == 1
    assert done["graph_launches"] >= 4 and done["graph_kernels"] >= done["graph_launches"]


def test_small_kernels_are_timed_over_many_calls(card, monkeypatch):
    """An event tells half a microsecond, and the host takes some to launch: 100 us pass in what is timed."""
    spans = []

    def time_ns(enqueue, repeats=3, times=1):
        enqueue()
        spans.append(times)
        return [10_000.0, 25_000.0, 24_000.0][len(spans) - 1]      # a call, a replay of ten, replays in a row
    monkeypatch.setattr(card, "time_ns", time_ns)
    assert card.target.choices.measure(negation(card), (12,), (12,)) == 2_400
    assert spans == [1, 1, 4]


def test_what_cannot_be_recorded_is_timed_call_by_call(card, counters, caplog):
    caplog.set_level("INFO", "thalweg")
    called = []

    def call(stream):
        called.append(stream)
        if stream == card.streams.capture.handle:
            raise LibraryError("it cannot be captured")
    work = Work((LibraryCall("a call", call, ()),))
    counters()
    assert 0 < card.target.choices.measure(work, (12,), (12,)) < 1e9
    assert "is timed call by call, as it cannot be recorded: it cannot be captured" in caplog.text
    assert called.count(card.streams.capture.handle) == 1 and len(called) > 6 and not counters()["graph_launches"]
    assert 0 < card.target.choices.measure(negation(card), (12,), (12,)) < 1e9       # the recording has been left


def test_what_choices_were_timed_with_is_given_back(card):
    with card.lock, card.context:
        card.pool.trim()                 # of what other tests have left
    before, work = card.stats(), Work((Fill(output(), 5 << 20),), 3 << 20)
    for size in 5, 7, 9:
        assert card.target.choices.measure(work, (size << 20,), (size << 20,)) > 0
    after = card.stats()
    assert (after["bytes_reserved"], after["bytes_in_use"]) == (before["bytes_reserved"], before["bytes_in_use"])


def test_choices_are_of_a_card_and_a_version(card):
    assert card.target.choices.device == f"{card.device.name()}, thalweg-cuda {__version__}"


def test_kernels_are_prepared_in_the_card_s_context(card, monkeypatch):
    current, prepare = [], kernels.prepare

    def spied(*args):
        handle = ctypes.c_void_p()
        assert ctypes.CDLL("libcuda.so.1").cuCtxGetCurrent(ctypes.byref(handle)) == 0
        current.append(handle.value)
        return prepare(*args)
    monkeypatch.setattr(kernels, "prepare", spied)
    results(lambda a: [a + a], [numbers(3)])
    assert current and set(current) == {card.context.handle}


def test_what_does_not_fit_is_not_timed(card):
    attrs = {"transpose_a": False, "transpose_b": False}
    request = KernelRequest("MatMul", attrs, [(40, 50), (50, 60)], [(40, 60)], [1, 1], [1])
    work = kernels.prepare(request, card.target._replace(libraries={}))
    assert card.target.choices.measure(work._replace(workspace_bytes=1 << 50), (8000, 12000), (9600,)) is None


def test_a_way_that_does_not_compile_is_left_out(card, caplog):
    caplog.set_level("INFO", "thalweg")
    work = kernels.prepare(KernelRequest("Neg", {}, [(3,)], [(3,)], [1], [1]), card.target)
    launch, *rest = work.commands
    broken = work._replace(commands=(launch._replace(source=Source("this is no C")), *rest))
    assert card.target.choices.measure(broken, (12,), (12,)) == float("inf")
    assert "a way to compute a node is left out: " in caplog.text
    choices = Choices(measure=card.target.choices.measure)
    assert choices.choose("key", [("broken", broken), ("sound", work)], (12,), (12,)) is work


def test_nothing_is_timed_while_a_recording_is_open(card):
    work = kernels.prepare(KernelRequest("Neg", {}, [(3,)], [(3,)], [1], [1]), card.target)
    card.record_begin()
    try:
        assert card.target.choices.measure(work, (12,), (12,)) is None
    finally:
        card.record_end()
    assert card.target.choices.measure(work, (12,), (12,)) > 0
