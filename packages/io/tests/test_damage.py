"""Damage to files: every bit flipped, every length cut, random bytes overwritten, files of other saves put in place.

Whatever is read is what was written; everything else is an error of the family that `thalweg.framework.errors` names.
"""
import logging
import os
import random
import shutil

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import errors
from thalweg_io.checkpoints.bundle.writer import BundleWriter
from thalweg_io.checkpoints.v1.writer import V1Writer

OVERWRITES = int(os.environ.get("THALWEG_DAMAGE_OVERWRITES", 1000))     # `tox -e crash` makes 10,000


@pytest.fixture(autouse=True)
def no_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


TENSORS = {"a": np.arange(3, dtype=np.float32), "layer/b": np.array([b"x", b"longer"], object),
           "layer/c": np.array(True), "layer/d": np.array([[1, -2]], np.int64), "none": np.zeros((0, 2), np.int32)}


def values_of(path):
    """Every tensor of a checkpoint, as something that compares."""
    reader = tf.train.NewCheckpointReader(path)
    return {name: (np.asarray(reader.get_tensor(name)).dtype.str, shape, np.asarray(reader.get_tensor(name)).tolist())
            for name, shape in reader.get_variable_to_shape_map().items()}


def v2(folder, tensors=TENSORS, name="m"):
    with BundleWriter(f"{folder}/{name}") as writer:
        for key, value in tensors.items():
            writer.add(key, value)
    return f"{folder}/{name}"


def v1(folder):
    with V1Writer(f"{folder}/m") as writer:
        for key, value in TENSORS.items():
            writer.add(key, value)
    return f"{folder}/m"


def records(folder):
    with tf.python_io.TFRecordWriter(f"{folder}/m") as writer:
        for data in (b"first", b"", b"the third"):
            writer.write(data)
    return f"{folder}/m"


def event_file(folder):
    with tf.Graph().as_default(), tf.summary.FileWriter(folder) as writer:
        for step in range(3):
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="t", simple_value=step)]), step)
    (name,) = os.listdir(folder)
    os.rename(f"{folder}/{name}", f"{folder}/m")
    return f"{folder}/m"


def state_file(folder):
    v2(folder)
    tf.train.update_checkpoint_state(folder, f"{folder}/m", save_relative_paths=True)
    return folder


def records_in(path):
    return list(tf.python_io.tf_record_iterator(path))


def events_in(path):
    return [(event.step, [value.simple_value for value in event.summary.value])
            for event in tf.train.summary_iterator(path)]


KINDS = {"index": (v2, values_of, "m.index"), "data": (v2, values_of, "m.data-00000-of-00001"),
         "v1": (v1, values_of, "m"), "records": (records, records_in, "m"), "events": (event_file, events_in, "m"),
         "state": (state_file, tf.train.latest_checkpoint, "checkpoint")}
PREFIXES = ("records", "events")                     # a cut between two records is a shorter file, not a damaged one


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    make, read, name = KINDS[request.param]
    path = make(str(tmp_path))
    with open(tmp_path / name, "rb") as file:
        data = file.read()

    def answer(damaged):
        """What a reader gives of a damaged file: ("value", ...) or ("error", ...)."""
        (tmp_path / name).write_bytes(damaged)
        try:
            return "value", read(path)
        except (errors.OpError, ValueError) as error:
            assert len(str(error)) < 1000
            return "error", error
    return request.param, data, answer


def test_every_bit(kind):
    name, data, answer = kind
    _, whole = answer(data)
    undetected = []
    for position in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        outcome, value = answer(bytes(damaged))
        if name == "state":                          # text without a checksum: another name, and nothing that is there
            assert outcome == "error" or value in (None, whole)
        elif outcome == "value":
            assert value == whole, f"bit {position}"
            undetected.append(position)
    assert not undetected, f"read as if nothing were wrong: {undetected}"


def test_every_length(kind):
    name, data, answer = kind
    _, whole = answer(data)
    for length in range(len(data)):
        outcome, value = answer(data[:length])
        if name == "state":
            assert outcome == "error" or value in (None, whole)
        elif outcome == "value":
            assert name in PREFIXES and value == whole[:len(value)] and len(value) < len(whole), length
        else:
            assert isinstance(value, errors.DataLossError), f"{length}: {value!r}"


def test_random_overwrites_of_a_megabyte(tmp_path):
    rng = random.Random(11)
    random_ = np.random.RandomState(12)
    tensors = {f"layer{i}/w": random_.rand(64, 64).astype(np.float32) for i in range(60)}
    tensors["text"] = np.array([random_.bytes(n) for n in range(400)], object)
    path = v2(str(tmp_path), tensors)
    whole = {name: np.asarray(value).tobytes() if value.dtype != object else value.tolist()
             for name, value in tensors.items()}
    files = {name: (tmp_path / name).read_bytes() for name in ("m.index", "m.data-00000-of-00001")}
    assert sum(map(len, files.values())) > 1_000_000
    detected = 0
    for _ in range(OVERWRITES):
        name = rng.choice(sorted(files))
        data = files[name]
        at = rng.randrange(len(data))
        noise = rng.randbytes(rng.randint(1, 16))[:len(data) - at]
        with open(tmp_path / name, "r+b") as file:
            file.seek(at)
            file.write(noise)
        detected += is_noticed(path, whole, is_changed=data[at:at + len(noise)] != noise)
        with open(tmp_path / name, "r+b") as file:
            file.seek(at)
            file.write(data[at:at + len(noise)])
    assert detected > 0.9 * OVERWRITES
    assert not is_noticed(path, whole, is_changed=False)


def is_noticed(path, whole, is_changed):
    """Reads all tensors: each is as it was or an error; says whether there was one."""
    problems = 0
    try:
        reader = tf.train.NewCheckpointReader(path)
        assert set(reader.get_variable_to_shape_map()) == set(whole)
    except errors.OpError:
        return True
    for name, value in whole.items():
        try:
            read = reader.get_tensor(name)
        except errors.OpError:
            problems += 1
        else:
            assert (read.tolist() if read.dtype == object else read.tobytes()) == value, name
    assert bool(problems) == is_changed
    return bool(problems)


# --- files of other saves ---------------------------------------------------------------------------

def sharded(folder, name, number):
    from thalweg_io.checkpoints.bundle import sharded as parts
    prefixes = [f"{folder}/{name}_temp_{0:032x}/part-{k:05d}-of-00002" for k in range(2)]
    for k, prefix in enumerate(prefixes):
        with BundleWriter(prefix) as writer:
            writer.add(f"v{k}", np.full(50, number + k / 10, np.float32))
    parts.merge(prefixes, f"{folder}/{name}")


@pytest.mark.parametrize("source, target", [
    ("x.data-00000-of-00002", "m.data-00000-of-00002"), ("x.data-00001-of-00002", "m.data-00001-of-00002"),
    ("m.data-00001-of-00002", "m.data-00000-of-00002"), ("x.index", "m.index"), ("y.index", "m.index")])
def test_files_of_another_save(tmp_path, source, target):
    """A data file or an index of another save, or two data files swapped, are noticed by the checksums."""
    for number, name in enumerate("mxy"):
        if name == "y":
            v2(str(tmp_path), name="y")
        else:
            sharded(str(tmp_path), name, number)
    shutil.copy(tmp_path / source, tmp_path / target)
    with pytest.raises(errors.OpError):
        values_of(str(tmp_path / "m"))


@pytest.mark.parametrize("version", [tf.train.SaverDef.V1, tf.train.SaverDef.V2])
def test_errors_name_file_and_tensor(tmp_path, version):
    """Which file, and in V2, where each tensor has a checksum, which tensor."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("layer/weights", initializer=np.arange(8, dtype=np.float32))
        session.run(variable.initializer)
        path = tf.train.Saver(write_version=version).save(session, tmp_path / "model", write_meta_graph=False)
    file = tmp_path / ("model.data-00000-of-00001" if version == tf.train.SaverDef.V2 else "model")
    data = bytearray(file.read_bytes())
    data[9] ^= 4
    file.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError) as told:
        tf.train.load_variable(path, "layer/weights")
    assert str(file) in told.value.message
    assert version == tf.train.SaverDef.V1 or "'layer/weights'" in told.value.message
