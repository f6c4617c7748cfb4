"""The files that the works on files read: made once per machine, by thalweg, for all subjects."""
import getpass
import tempfile
from pathlib import Path

TENSORS, EXAMPLES = 10_000, 10_000
FOLDER = Path(tempfile.gettempdir()) / f"thalweg-bench-{getpass.getuser()}" / f"io-{TENSORS}-{EXAMPLES}"
CHECKPOINT, RECORDS = FOLDER / "many", FOLDER / "examples"


def name_of(number):
    return f"tower_{number % 7}/block_{number // 100:03}/unit_{number % 100:02}/weights"


def make():
    """Writes the files that are not there yet."""
    import numpy as np

    import thalweg as tf
    from thalweg_io.checkpoints.bundle.writer import BundleWriter
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not CHECKPOINT.with_suffix(".index").exists():
        with BundleWriter(str(CHECKPOINT)) as writer:
            for name in sorted(map(name_of, range(TENSORS))):
                writer.add(name, np.arange(8, dtype=np.float32))
    if not RECORDS.exists():
        draft = RECORDS.with_suffix(".draft")
        with tf.python_io.TFRecordWriter(str(draft)) as writer:
            for number in range(EXAMPLES):
                writer.write(_example(tf, np.random.RandomState(number)))
        draft.replace(RECORDS)


def _example(tf, random):
    example = tf.train.Example()
    feature = example.features.feature
    feature["label"].int64_list.value.append(random.randint(1000))
    feature["values"].float_list.value.extend(random.rand(8))
    feature["name"].bytes_list.value.append(random.bytes(20))
    feature["words"].int64_list.value.extend(random.randint(0, 50_000, random.randint(20)))
    return example.SerializeToString()


def examples():
    """The serialized Examples, read without any framework."""
    data, at, found = RECORDS.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at:at + 8], "little")
        found.append(data[at + 12:at + 12 + size])
        at += size + 16
    return found
