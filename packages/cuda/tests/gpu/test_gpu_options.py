"""GPUOptions and what a card tells of itself. The first session to use a card decides, so each has its own process."""
import json
import os
import subprocess
import sys

import pytest

import thalweg as tf
from thalweg import devices

RUN = """
import json, numpy as np, thalweg as tf
from thalweg import devices
def run(device="/gpu:0", is_soft=False, **options):
    config = tf.ConfigProto(gpu_options=tf.GPUOptions(**options), allow_soft_placement=is_soft)
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


OLD = """
import pycuda.driver as driver
from thalweg_cuda.device import cuda_device
def pretend(capability="9.0", version=13000, of=None):
    real = driver.Device
    class Device:
        count = staticmethod(real.count)
        def __new__(cls, number):
            return Old(number) if of in (None, number) else real(number)
    class Old(real):
        def compute_capability(self):
            return tuple(map(int, capability.split(".")))
    driver.Device, driver.get_driver_version = Device, lambda: version
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
    number, text, soft, memory = answer("""
run(visible_device_list='1')
number, text = card().number, refusal('/gpu:1', visible_device_list='1')
soft = run('/gpu:1', is_soft=True, visible_device_list='1')
rows = [row for row in tf.list_devices() if row.device_type == "CUDA"]
print(json.dumps([number, text, soft, [row.memory_limit_bytes for row in rows]]))""")
    assert number == 1 and soft == [2, 2, 2]
    assert text.startswith("InvalidArgumentError: Cannot assign a device for operation")
    assert "it was explicitly assigned to /device:GPU:1, but there is no /device:CUDA:1: 1 card is visible" in text
    assert len(memory) == 2 and all(memory)              # listing still works


@pytest.mark.parametrize("options, text", [
    ("per_process_gpu_memory_fraction=3.0", "per_process_gpu_memory_fraction is 3.0, a number from 0 to 1"),
    ("visible_device_list='7'", "visible_device_list is '7', and the driver shows")])
def test_what_a_session_is_refused(options, text):
    first, then = answer(f"print(json.dumps([refusal({options}), run()]))")
    assert text in first and then == [2, 2, 2]           # the next session may ask for something better


@pytest.mark.parametrize("old, reason", [
    ("capability='7.0'", "card 0, thalweg stand-in, has compute capability 7.0, and NVRTC 13.0 makes code for 7.5 and "
                         "above; card 1, thalweg stand-in, has compute capability 7.0, and NVRTC 13.0 makes code for "
                         "7.5 and above. Use a newer card, or the CPU"),
    ("version=12080", "the NVIDIA driver is one for CUDA 12.8, and thalweg-cuda needs one for 13.0: install a driver "
                      "of version 580 or newer")])
def test_what_is_too_old_is_listed_with_its_reason(standin, old, reason):
    state, text = answer(OLD + f"""
pretend({old})
row, = [row for row in tf.list_devices() if row.device_type == "CUDA"]
print(json.dumps([row.state, row.reason]))""")
    assert state != "open" and reason in text, text


@pytest.mark.parametrize("variable, value", [("CUDA_VISIBLE_DEVICES", ""), ("CUDA_VISIBLE_DEVICES", "-1"),
                                             ("THALWEG_STANDIN_DEVICES", "0")])
def test_a_driver_without_cards_is_no_fault(standin, variable, value):
    done = subprocess.run([sys.executable, "-c", RUN + """
row, = [row for row in tf.list_devices() if row.device_type == "CUDA"]
print(json.dumps([row.state, row.reason, run("")]))"""], capture_output=True, text=True, check=True, timeout=120,
                          env={**os.environ, variable: value})
    state, reason, values = json.loads(done.stdout)
    assert (state, values, done.stderr) == ("absent", [2, 2, 2], "")
    assert reason.endswith("finds no device on this machine")


def test_a_card_that_is_too_old_is_left_out(standin):
    values, rows, text, foreign = answer(OLD + """
pretend(capability='7.0', of=0)
rows = [row.name for row in tf.list_devices() if row.device_type == "CUDA"]
values = run()
number = card().number
device = cuda_device._opened[0]
try:
    device._ordinal(0)
except ValueError as error:
    foreign = str(error)
try:
    device.configure(0, {"visible_device_list": "0"})
except tf.errors.NotFoundError as error:
    text = str(error)
print(json.dumps([values + [number], rows, text, foreign]))""")
    assert foreign.startswith("the array lies on a card that is too old: card 0, thalweg stand-in, has compute")
    assert values == [2, 2, 2, 1] and rows == ["/device:CUDA:0"]
    assert "card 0, thalweg stand-in, has compute capability 7.0" in text and "leave it out of GPUOptions'" in text


@pytest.mark.parametrize("wish, exact", [(1, False), (2, True)])
def test_the_rewrite_for_mixed_precision_is_heeded(wish, exact):
    got = answer(f"""
config = tf.ConfigProto()
config.graph_options.rewrite_options.auto_mixed_precision = {wish}
with tf.device("/gpu:0"), tf.Session(config=config) as session:
    x, w = tf.placeholder(tf.float32, [4, 4]), tf.placeholder(tf.float32, [4, 4])
    y = tf.matmul(x, w)
    print(json.dumps(float(session.run(y, {{x: np.full([4, 4], 1 + 2.0**-13), w: np.ones([4, 4])}})[0, 0])))""")
    assert got == (4 + 2.0**-11 if exact else 4.0)       # float16 has no room for the 2.0**-13


def test_a_library_that_does_not_open_is_told(tmp_path, monkeypatch):
    """By the card and in its row of the list, without a product that would have asked for it."""
    from thalweg_cuda import shared_library
    (tmp_path / "libcudnn.so.9").write_text("no library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(shared_library, "_wheel_folders", list)
    monkeypatch.setattr(shared_library, "_system_folders", list)
    shared_library.trouble.cache_clear()
    try:
        row = next(row for row in tf.list_devices() if row.name == "/device:CUDA:1")
        described = devices.find_device("CUDA", 1)[0].describe()["cuDNN"]
    finally:
        shared_library.trouble.cache_clear()
    assert described.startswith(f"not used: libcudnn of version 9 cannot be opened: {tmp_path}/libcudnn.so.9: ")
    assert row.state == "open" and row.reason == f"cuDNN is {described}"


def test_what_a_card_tells():
    told = devices.find_device("CUDA", 0)[0].describe()
    assert told["compute_types"][0] == "float16"
    assert {"name", "compute capability", "multiprocessors", "memory", "driver", "NVRTC", "PyCUDA"} <= set(told)
    assert told["memory"] == next(row for row in tf.list_devices() if row.name == "/device:CUDA:0").memory_limit_bytes
