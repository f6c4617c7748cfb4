"""GPUOptions and what a card tells of itself. The first session to use a card decides, so each has its own process."""
import json
import subprocess
import sys

import pytest

import thalweg as tf
from thalweg import devices

RUN = """
import json, numpy as np, thalweg as tf
from thalweg import devices
def run(device="/gpu:0", **options):
    config = tf.ConfigProto(gpu_options=tf.GPUOptions(**options), allow_soft_placement=False)
    with tf.Graph().as_default() as graph, tf.device(device), tf.Session(graph=graph, config=config) as session:
        x = tf.placeholder(tf.float32, [3])
        return session.run(tf.exp(x) + 1, {x: [0, 0, 0]}).tolist()
def card(i=0):
    from thalweg_cuda.device.cuda_device import opened_card
    return opened_card(i)
def refusal(*args, **options):
    try:
        run(*args, **options)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
"""


def answer(code):
    """What `code` prints as JSON."""
    done = subprocess.run([sys.executable, "-c", RUN + code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_fraction_of_the_memory():
    limit, total = answer("run(per_process_gpu_memory_fraction=0.25)\n"
                          "print(json.dumps([card().stats()['bytes_limit'], card().device.total_memory()]))")
    assert limit == total // 4


def test_a_fraction_after_the_devices_were_listed():
    limit, total = answer("tf.list_devices(); run(per_process_gpu_memory_fraction=0.5)\n"
                          "print(json.dumps([card().stats()['bytes_limit'], card().device.total_memory()]))")
    assert limit == total // 2


def test_listing_opens_no_card():
    assert answer("tf.list_devices()\nfrom thalweg_cuda.device import cuda_device\n"
                  "print(json.dumps(len(cuda_device._opened[0]._cards)))") == 0


def test_cards_are_chosen_and_renumbered():
    if devices.find_device("CUDA", 1)[0] is None:
        pytest.skip("there is one GPU; this wants two")
    number, text = answer("run(visible_device_list='1')\n"
                          "print(json.dumps([card().number, refusal('/gpu:1', visible_device_list='1')]))")
    assert number == 1
    assert text.startswith("NotFoundError: ")
    assert "/device:CUDA:1: GPUOptions' visible_device_list is '1', and the driver shows 2 cards" in text


@pytest.mark.parametrize("options, text", [
    ("per_process_gpu_memory_fraction=3.0", "per_process_gpu_memory_fraction is 3.0, a number from 0 to 1"),
    ("visible_device_list='7'", "visible_device_list is '7', and the driver shows")])
def test_what_a_session_is_refused(options, text):
    first, then = answer(f"print(json.dumps([refusal({options}), run()]))")
    assert text in first and then == [2, 2, 2]           # the next session may ask for something better


def test_what_a_card_tells():
    told = devices.find_device("CUDA", 0)[0].describe()
    assert {"name", "compute capability", "multiprocessors", "memory", "driver", "NVRTC", "PyCUDA"} <= set(told)
    assert told["memory"] == next(row for row in tf.list_devices() if row.name == "/device:CUDA:0").memory_limit_bytes
