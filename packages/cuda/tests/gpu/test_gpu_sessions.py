"""What holds while sessions run: a steady state allocates nothing, faults end one run only, threads get along."""
import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import training_programs as programs

import thalweg as tf


@pytest.fixture
def session():
    with tf.Session() as session:
        yield session


def trained(session, build, runs):
    with tf.device("/gpu:0"):
        program = build()
    session.run(tf.global_variables_initializer())
    program.losses(session, runs)
    return program


@pytest.mark.parametrize("build", [programs.mlp, programs.lenet, programs.rnn], ids=lambda f: f.__name__)
def test_a_training_step_is_one_launch(session, build, counters):
    program = trained(session, build, 4)
    counters()
    for _ in range(3):
        program.losses(session, 1)
        done = counters()
        assert (done["graph_launches"], done["synchronizations"]) == (1, 1), done
        assert (done["allocations"], done["host_allocations"], done["frees"], done["launches"]) == (0, 0, 0, 0), done


def test_feeds_that_fill_the_pinned_ring_wait_for_nothing(session, counters):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [15000])
        y = tf.reduce_sum(tf.exp(x) * 2 + 1)
    for k in range(100):                 # 6 MB: more than the ring has
        session.run(y, {x: np.zeros(15000)})
        done = counters()
        assert k < 4 or done["synchronizations"] == 1, (k, done)


def test_what_is_replayed_is_told(session):
    program = trained(session, programs.mlp, 4)
    metadata = tf.RunMetadata()
    session.run([program.loss, program.step], program.feeds(0), run_metadata=metadata)
    assert [s.mode for s in metadata.segments if not s.refusal] == ["replayed"], metadata.segments


def test_a_graph_that_finds_no_memory_is_captured_again_later(session, standin, counters):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [15])
        y = tf.reduce_sum(tf.cumsum(tf.exp(x)) * 2 + 1)
    standin.fail("graph")
    launches, metadata = [], tf.RunMetadata()
    for _ in range(6):
        assert session.run(y, {x: np.zeros(15)}, run_metadata=metadata) == 255
        launches.append(counters()["graph_launches"])
    assert launches == [0, 0, 0, 0, 1, 1] and not metadata.segments[0].refusal


def test_other_shapes_are_other_plans(session):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [None])
        y = tf.reduce_sum(tf.exp(x) * 2 + 1)
    for _ in range(4):
        for n in (3, 100, 7):
            np.testing.assert_allclose(session.run(y, {x: np.ones(n)}), n * (2 * np.e + 1), rtol=1e-5)


def test_no_memory_lists_tensors_and_the_session_goes_on(session, card):
    total = card.device.total_memory()
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [None])
        large = tf.tensordot(x, tf.ones([4096]), 0)
        y = tf.reduce_sum(tf.exp(large) + tf.transpose(large)[0, 0])
        small = tf.reduce_sum(x * 2)
    with pytest.raises(tf.errors.ResourceExhaustedError) as raised:
        session.run(y, {x: np.ones(total // 4096 // 4 * 2, np.float32)})
    text = str(raised.value)
    assert "/device:CUDA:0" in text and "bytes" in text and "test_gpu_sessions.py" in text, text
    for _ in range(3):
        assert session.run(small, {x: np.ones(5)}) == 10
    assert np.isfinite(session.run(y, {x: np.ones(3)}))


def test_a_wrong_index_ends_one_run(session):
    with tf.device("/gpu:0"):
        table = tf.Variable(np.arange(10, dtype=np.float32).reshape(5, 2))
        indices = tf.placeholder(tf.int32, [3])
        y = tf.gather(table, indices) * 2 + 1
    session.run(table.initializer)
    for _ in range(3):                                   # in the plain run, the recorded one, the replayed one
        assert session.run(y, {indices: [0, 1, 4]})[2, 1] == 19
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 5 is not in \[0, 5\)"):
            session.run(y, {indices: [0, 5, 1]})


def test_sessions_of_many_threads(session):
    failures = []

    def work(k):
        try:
            with tf.Graph().as_default() as graph, tf.device("/gpu:0"), tf.Session(graph=graph) as own:
                x = tf.placeholder(tf.float32, [64])
                v = tf.Variable(np.float32(k))
                y = tf.reduce_sum(tf.exp(x) * v) + tf.random_uniform([]) * 0
                own.run(tf.global_variables_initializer())
                for _ in range(15):
                    np.testing.assert_allclose(own.run(y, {x: np.full(64, 0.5)}), 64 * np.exp(0.5) * k, rtol=1e-5)
        except BaseException as error:
            failures.append(error)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_one_session_of_many_threads(session):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [100])
        y = tf.reduce_sum(tf.sqrt(x) * 2 + 1)
    failures = []

    def work(k):
        for _ in range(20):
            got = session.run(y, {x: np.full(100, k * k)})
            if abs(got - (200 * k + 100)) > 1e-3 * got:
                failures.append((k, got))
    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_memory_comes_back(card):
    def use():
        with tf.Graph().as_default(), tf.device("/gpu:0"), tf.Session() as session:
            program = programs.mlp()
            session.run(tf.global_variables_initializer())
            program.losses(session, 3)
    use()
    gc.collect()
    before = card.stats()
    for _ in range(3):
        use()
        gc.collect()
    after = card.stats()
    assert after["bytes_in_use"] == before["bytes_in_use"]
    assert after["bytes_reserved"] == before["bytes_reserved"]


def test_ctrl_c_ends_a_run_and_the_session_goes_on(session):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [50])
        y = x
        for _ in range(60):
            y = tf.sin(y) * 1.01
    session.run(y, {x: np.ones(50)})
    want = session.run(y, {x: np.ones(50)})
    for k in range(60):
        timer = threading.Timer(0.0002 * k, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while True:
                session.run(y, {x: np.ones(50)})
        np.testing.assert_array_equal(session.run(y, {x: np.ones(50)}), want)


def at_entry(function):
    def interrupted(*arguments):
        raise KeyboardInterrupt
    return interrupted


def at_exit(function):
    def interrupted(*arguments):
        function(*arguments)
        raise KeyboardInterrupt
    return interrupted


@pytest.mark.parametrize("owner, name, where", [
    ("recorder", "begin", at_entry), ("recorder", "begin", at_exit), ("recorder", "end", at_entry),
    ("recorder", "end", at_exit), ("card", "record_end", at_entry)])
def test_ctrl_c_around_a_recording(session, card, monkeypatch, owner, name, where):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [50])
        y = x
        for _ in range(10):
            y = tf.reverse(tf.cumsum(y), [0]) / 25.0     # no region takes these in one kernel
    with tf.Session() as other:
        want = [other.run(y, {x: np.full(50, k)}) for k in (0, 1, 2)]
    target = card if owner == "card" else card.recorder
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(target, name, where(getattr(target, name)))
        for _ in range(5):
            session.run(y, {x: np.ones(50)})
    assert card.recorder.current is None
    for k in (2, 1, 0, 1):
        np.testing.assert_array_equal(session.run(y, {x: np.full(50, k)}), want[k])


PRELUDE = """
import os, numpy as np, thalweg as tf
with tf.device("/gpu:0"):
    x = tf.placeholder(tf.float32, [3])
    y = tf.exp(x) + 1
session = tf.Session()
for _ in range(3):
    session.run(y, {x: [0, 0, 0]})
"""


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", PRELUDE + code, *arguments], capture_output=True, text=True,
                          check=False, timeout=120)


def test_a_kernel_that_fails_ends_the_cards_use(standin):
    done = python("""
import sys
sys.path.insert(0, sys.argv[1])
from standin import driver
driver.fail("launch")
for _ in range(2):
    try:
        session.run(y, {x: [0, 0, 0]})
    except Exception as error:
        print(type(error).__name__, str(error))
with tf.device("/cpu:0"):
    print(session.run(tf.exp([0.0])).tolist())
""", str(Path(__file__).parent.parent))
    lines = done.stdout.splitlines()
    assert "work on card 0 failed: cuStreamSynchronize failed" in lines[0], done
    assert "CUDA does nothing more in this process on that card" in done.stdout and lines[-1] == "[1.0]", done
    assert done.returncode == 0 and "PyCUDA" not in done.stderr, done


def test_a_card_that_cannot_be_freed_aborts_nothing():
    done = python("""
from thalweg_cuda.device import cuda_device
cards = cuda_device._opened[0]
cards.card(1 if cards.count() > 1 else 0)
def fail():
    raise RuntimeError("the streams are lost")
cards.card(0).streams.close = fail
""")
    assert done.returncode == 0 and "RuntimeError: the streams are lost" in done.stderr, done


def test_a_card_that_cannot_be_freed_leaves_the_others_to_be_closed(standin):
    done = python("""
import atexit
from thalweg_cuda.device import cuda_device
cards = cuda_device._opened[0]
first, second = cards.card(0), cards.card(1)
def fail():
    raise RuntimeError("the streams are lost")
first.streams.close = fail
atexit.unregister(cards.close)
try:
    cards.close()
except RuntimeError as error:
    print(error, "|", second.streams.compute, "|", second.context.refusal)
""")
    assert done.stdout == "the streams are lost | None | this card has been closed: the process is ending\n", done
    assert done.returncode == 0, done


def test_a_card_that_opens_half_way_leaves_nothing_behind(standin):
    done = python("""
import sys
sys.path.insert(0, sys.argv[1])
import pycuda.driver
from standin import driver
from thalweg_cuda.device import card, cuda_device
from thalweg_cuda.driver import context
def held():
    now = driver.counters()
    return [now[name] for name in ("streams_in_use", "host_bytes_in_use", "bytes_in_use")], len(context._opened)
def interrupt(*arguments):
    raise KeyboardInterrupt
other = pycuda.driver.Device(1).retain_primary_context() # another package's: the context outlives the half of a card
before, real = held(), card.Choices
for failure in (1, 3, "interrupt"):
    if failure == "interrupt":
        card.Choices = interrupt
    else:
        driver.fail("host_allocation", failure)
    try:
        cuda_device._opened[0].card(1)
    except (MemoryError, KeyboardInterrupt) as error:
        print(type(error).__name__)
    assert held() == before, (failure, held(), before)
card.Choices = real
with tf.device("/gpu:1"):
    print(session.run(tf.exp(x) + 2, {x: [0, 0, 0]}).tolist())
other.push()
other.detach()
""", str(Path(__file__).parent.parent))
    assert done.stdout.splitlines() == ["MemoryError", "MemoryError", "KeyboardInterrupt", "[3.0, 3.0, 3.0]"], done
    assert done.returncode == 0 and done.stderr == "", done


def test_cards_that_cannot_be_peers_copy_all_the_same(standin):
    done = python("""
import logging, sys
sys.path.insert(0, sys.argv[1])
from standin import driver
logging.basicConfig(format="%(message)s", stream=sys.stdout)
logging.getLogger("thalweg").setLevel("INFO")
driver.fail("peer", times=9)
with tf.device("/gpu:1"):
    z = y * 2
for k in range(3):
    print(session.run(z, {x: [0, 0, 0]}).tolist())
print(driver.counters()["bytes_peer"])
""", str(Path(__file__).parent.parent))
    text = "copies from card 0 to card 1 do not go directly: cuCtxEnablePeerAccess failed: peer mapping resources"
    lines = [line for line in done.stdout.splitlines() if not line.startswith(text)]
    assert lines == 3 * ["[4.0, 4.0, 4.0]"] + ["36"] and done.stdout.count(text) == 1, done
    assert done.returncode == 0, done


def test_a_process_ends_cleanly():
    for code in ("", "session.close()", "import sys; sys.exit(3)", "keep = globals().copy(); del session"):
        done = python(code)
        assert done.returncode == (3 if "exit" in code else 0) and done.stderr == "", (code, done)


def test_a_thread_that_runs_at_the_end_harms_nobody():
    done = python("""
import threading, time
def go():
    while True:
        session.run(y, {x: [0, 0, 0]})
threading.Thread(target=go, daemon=True).start()
time.sleep(0.3)
""")
    assert done.returncode == 0, done


def test_a_forked_child_is_told():
    done = python("""
child = os.fork()
if not child:
    for fetch in (y, tf.sqrt(x)):                        # the second needs a new plan, kernels and memory
        try:
            session.run(fetch, {x: [0, 0, 0]})
        except Exception as error:
            print(type(error).__name__, str(error))
    os.sys.exit(0)                                       # with all finalizers, as a child of multiprocessing has not
os.waitpid(child, 0)
print("parent", session.run(y, {x: [0, 0, 0]}).tolist())
""")
    assert done.stdout.count("a forked child cannot use it") >= 2 and "parent [2.0, 2.0, 2.0]" in done.stdout, done
    assert done.returncode == 0 and "PyCUDA" not in done.stderr, done
