"""Tests that need a driver: on a card as they are, else on the stand-in (test_cuda_on_standin.py runs them so)."""
import sys
from pathlib import Path

import pytest

import thalweg as tf
from thalweg import devices

sys.path.insert(0, str(Path(__file__).parent))           # training_programs


def pytest_collection_modifyitems(items):
    mine = [item for item in items if Path(__file__).parent in item.path.parents]      # all of a run's tests come here
    why = missing() if mine else ""
    if why:
        for item in mine:
            item.add_marker(pytest.mark.skip(reason=why))


def missing():
    """Why there is no card; "" where there is one."""
    device, reason = devices.find_device("CUDA", 0)
    return "" if device is not None else f"no GPU: {reason}"


@pytest.fixture
def card():
    """The first Card."""
    from thalweg_cuda.device.cuda_device import opened_card
    return opened_card(0)


@pytest.fixture
def standin():
    """The stand-in driver, to be told what to do."""
    from standin import driver
    if not driver.is_loaded():
        pytest.skip("a real driver neither counts nor fails on demand")
    return driver


@pytest.fixture
def counters(standin):
    """A function that gives what the stand-in driver has counted since the last call of it, as a dict."""
    seen = {}

    def since_last():
        now = standin.counters()
        done = {name: now[name] - seen.get(name, 0) for name in now}
        seen.update(now)
        return done
    since_last()
    return since_last


@pytest.fixture(autouse=True)
def own_graph():
    """Each test builds on a graph of its own."""
    with tf.Graph().as_default():
        yield
