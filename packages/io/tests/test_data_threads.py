"""The threads of input pipelines: they work ahead, within bounds, and end with whoever wanted their elements."""
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import thalweg as tf

Dataset = tf.data.Dataset
PATIENCE_S = 180                         # of a machine that has other things to do


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def until(holds):
    """Waits until `holds()`; fails when that takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def threads():
    return [t for t in threading.enumerate() if t.name == "thalweg-data"]


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    until(lambda: not threads())


class Source:
    """A generator that counts what it has yielded, and stops at `limit` until it is let go."""

    def __init__(self, limit=10**9):
        self.count, self.limit, self.free = 0, limit, threading.Event()

    def __call__(self):
        while True:
            if self.count >= self.limit:
                self.free.wait(PATIENCE_S)
            self.count += 1
            yield self.count

    def dataset(self):
        return Dataset.from_generator(self, tf.int64, [])


def test_prefetch_works_ahead_within_its_bound():
    source = Source()
    element = source.dataset().prefetch(3).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == 1
        until(lambda: source.count == 4)
        time.sleep(0.05)
        assert source.count == 4
        assert session.run(element) == 2
        until(lambda: source.count == 5)


def test_a_parallel_map_works_ahead_within_its_bound():
    source, called = Source(), []
    dataset = source.dataset().map(lambda x: tf.py_func(lambda v: called.append(v) or v, [x], tf.int64), 2)
    element = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == 1
        until(lambda: len(called) == 5)
        time.sleep(0.05)
        assert source.count == 5


def test_the_next_batch_is_made_during_the_step():
    """The step waits for the pipeline to have made another element: without work ahead it would wait in vain."""
    source = Source()
    element = source.dataset().prefetch(1).make_one_shot_iterator().get_next()
    step = tf.py_func(lambda x: until(lambda: source.count > x) or x, [element], tf.int64)
    with tf.Session() as session:
        assert [session.run(step) for _ in range(5)] == [1, 2, 3, 4, 5]


def test_threads_of_passes_that_are_over_end():
    dataset = Dataset.range(1000).map(lambda x: x, 2).prefetch(5).take(2).repeat(20)
    element = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert [session.run(element) for _ in range(40)] == [0, 1] * 20
        until(lambda: len(threads()) <= 3)
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(element)
        until(lambda: not threads())


def test_an_initializer_ends_the_threads_of_the_last_one():
    iterator = Source().dataset().prefetch(2).make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session:
        for _ in range(5):
            session.run(iterator.initializer)
            session.run(element)
            until(lambda: len(threads()) == 1)


def test_a_forgotten_session_ends_its_threads():
    element = Source().dataset().prefetch(2).make_one_shot_iterator().get_next()
    session = tf.Session()
    session.run(element)
    del session
    until(lambda: not threads())


def test_closing_the_session_ends_a_run_that_waits():
    source = Source(limit=1)
    element = source.dataset().prefetch(1).make_one_shot_iterator().get_next()
    session = tf.Session()
    session.run(element)
    caught = []

    def run():
        try:
            session.run(element)
        except tf.errors.CancelledError as error:
            caught.append(error)
    waiting = threading.Thread(target=run)
    waiting.start()
    time.sleep(0.05)
    session.close()
    waiting.join(PATIENCE_S)
    assert len(caught) == 1 and not waiting.is_alive()
    source.free.set()


def test_a_timeout_counts_while_an_element_is_awaited():
    source = Source(limit=1)
    element = source.dataset().prefetch(1).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element + 0) == 1
        for fetch in (element, element + 0):
            with pytest.raises(tf.errors.DeadlineExceededError, match="(?s)not ready within.*timeout_in_ms"):
                session.run(fetch, options=tf.RunOptions(timeout_in_ms=30))
        source.free.set()
        assert session.run(element) == 2


def test_several_threads_take_from_one_iterator():
    element = Dataset.range(200).map(lambda x: x + 1, 3).prefetch(4).make_one_shot_iterator().get_next() + 0
    found = []
    with tf.Session() as session:
        def take():
            while True:
                try:
                    found.append(int(session.run(element)))
                except tf.errors.OutOfRangeError:
                    return
        takers = [threading.Thread(target=take) for _ in range(4)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join(PATIENCE_S)
    assert sorted(found) == list(range(1, 201))


def test_training_and_input_share_variables_and_stay_exact():
    """Functions of a pipeline run beside the steps of a session, on its variables."""
    scale = tf.Variable(2.0)
    dataset = Dataset.from_tensor_slices(np.arange(64, dtype=np.float32)).map(lambda x: x * scale, 4).batch(8)
    iterator = dataset.repeat().prefetch(2).make_initializable_iterator()
    total = tf.reduce_sum(tf.matmul(tf.ones([64, 8]), tf.reshape(iterator.get_next(), [8, 1])))
    with tf.Session() as session:
        session.run(scale.initializer)
        session.run(iterator.initializer)
        found = [float(session.run(total)) for _ in range(32)]
    assert found == [64 * 2.0 * sum(range(8 * k, 8 * k + 8)) for k in range(8)] * 4


def run_alone(code, *, interrupt=False):
    """Runs a program in a new process; gives its output. Fails when it does not end."""
    program = "import os, sys, time, threading, thalweg as tf\nDataset = tf.data.Dataset\n" + textwrap.dedent(code)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    if interrupt:
        assert child.stdout.readline() == "waiting\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=PATIENCE_S)
    return out, err, child.returncode


ENDLESS = """
def numbers():
    k = 0
    while True:
        yield k
        k += 1
element = Dataset.from_generator(numbers, tf.int64, []).map(lambda x: x + 1, 3).prefetch(4) \\
    .make_one_shot_iterator().get_next()
session = tf.Session()
"""


def test_the_interpreter_ends_with_work_under_way():
    assert run_alone(ENDLESS + "print(session.run(element))") == ("1\n", "", 0)


def test_the_interpreter_ends_although_a_generator_does_not():
    code = """
    def numbers():
        yield 1
        time.sleep(1000)
    element = Dataset.from_generator(numbers, tf.int64, []).prefetch(4).make_one_shot_iterator().get_next()
    session = tf.Session()
    print(session.run(element))
    """
    assert run_alone(code) == ("1\n", "", 0)


def test_an_interrupt_ends_the_wait_for_an_element():
    code = """
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)         # which a shell may have told to ignore
    def numbers():
        time.sleep(1000)
        yield 1
    element = Dataset.from_generator(numbers, tf.int64, []).prefetch(4).make_one_shot_iterator().get_next()
    session = tf.Session()
    print("waiting", flush=True)
    try:
        session.run(element)
    except KeyboardInterrupt:
        print("interrupted")
    """
    assert run_alone(code, interrupt=True) == ("interrupted\n", "", 0)


def test_a_forked_process_is_told_and_can_begin_anew():
    code = ENDLESS + """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)     # Python 3.12 warns of what is tested here
    assert session.run(element) == 1
    child = os.fork()
    if child == 0:
        try:
            session.run(element)
        except tf.errors.FailedPreconditionError as error:
            print("did not come along when the process was forked" in str(error))
        with tf.Session() as own:
            print(own.run(element))
        sys.stdout.flush()
        os._exit(0)
    print(os.waitpid(child, 0)[1], session.run(element))
    """.replace("\n    ", "\n")
    assert run_alone(code) == ("True\n1\n0 2\n", "", 0)
