"""The order of the steps where several devices take part."""
import itertools

import pytest

import thalweg as tf
from thalweg.devices.placement import Placement
from thalweg.plan import pipeline
from thalweg.plan.steps import KERNEL, MOVE
from thalweg.testing import delayed_device

DEVICE = "/device:DELAYED:0"


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default(), delayed_device.registered():
        yield


def plan_of(fetches, feeds=()):
    template = pipeline.make_template(tuple(fetches), tuple(feeds), Placement(tf.ConfigProto()))
    return pipeline.specialise(template, [None] * len(feeds), {})


def groups(plan):
    """The device of each run of kernels, "move" for copies."""
    places = ["move" if s.kind == MOVE else s.node.device for s in plan.steps if s.kind in (KERNEL, MOVE)]
    return [place for place, _ in itertools.groupby(places)]


def test_steps_of_one_device_stand_together():
    x = tf.placeholder(tf.float32, [8])
    a, b, fetched = x, x, []
    for _ in range(4):                   # the program changes between two devices all the time
        with tf.device("/cpu:0"):
            a = tf.cumsum(a)
        with tf.device(DEVICE):
            b = tf.cumsum(b)
            fetched += [a, b]
    assert groups(plan_of(fetched, [x])) == ["move", "/device:CPU:0", DEVICE, "move"]


def test_all_feeds_come_before_the_first_step():
    xs = [tf.placeholder(tf.float32, [8]) for _ in range(4)]
    with tf.device(DEVICE):
        total = tf.cumsum(xs[0])
        for x in xs[1:]:
            total = tf.cumsum(total * tf.cumsum(x))
    assert groups(plan_of([total], xs)) == ["move", DEVICE, "move"]


def test_copies_to_the_host_stay_early_where_their_values_would_take_memory():
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [1 << 16])
        fetched, total = [], x
        for _ in range(20):
            total = tf.cumsum(total)
            fetched.append(total * 2.0)
    plan = plan_of(fetched, [x])
    assert plan.arena_bytes[DEVICE] <= 4 * 4 * (1 << 16)
    assert len(plan.segments) > 10


def test_what_needs_no_device_but_one_keeps_the_programs_order():
    x = tf.placeholder(tf.float32, [8])
    values = [tf.cumsum(x) * float(k) for k in range(4)]
    plan = plan_of([tf.add_n(values)], [x])
    assert [s.node.rank for s in plan.steps] == sorted(s.node.rank for s in plan.steps)
