"""Files: checkpoints saved, restored and opened, TFRecords written and read, Examples parsed.

Programs that give a figure measure themselves: one call is a round's whole work, after one that does not count.
"""
import os
import shutil
import tempfile
import time

import io_files
import numpy as np
from framework import new_session, tf

TENSORS, MBYTES = 300, 500
RECORDS, RECORD_BYTES = 1_000_000, 100


class _Folder:
    """A folder for one program, on the disk of temporary files or on BENCH_IO_FOLDER; it goes with the object."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="thalweg-bench-io-", dir=os.environ.get("BENCH_IO_FOLDER"))

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)


def io_save(durable=False, mbytes=MBYTES, repeats=3):
    """MB/s of Saver.save to one prefix; `durable` waits for the disk, which TensorFlow cannot."""
    with _Folder() as folder:
        session, saver = _model(mbytes, durable)
        saver.save(session, f"{folder}/m")
        return mbytes / min(_seconds(lambda: saver.save(session, f"{folder}/m")) for _ in range(repeats))


def io_restore(mbytes=MBYTES, repeats=3):
    """MB/s of Saver.restore from files that are in memory."""
    with _Folder() as folder:
        session, saver = _model(mbytes, False)
        path = saver.save(session, f"{folder}/m")
        saver.restore(session, path)
        return mbytes / min(_seconds(lambda: saver.restore(session, path)) for _ in range(repeats))


def io_save_and_restore(mbytes=MBYTES):
    """One of each; for the memory that they take. Gives a step that does nothing more."""
    with _Folder() as folder:
        session, saver = _model(mbytes, False)
        saver.restore(session, saver.save(session, f"{folder}/m"))
    return (lambda: None), 1, None


def _model(mbytes, durable):
    size = int(mbytes * 1e6 / TENSORS / 4)
    with tf.Graph().as_default() as graph:
        for k in range(TENSORS):
            tf.get_variable(f"layer{k:03}/w", [size], initializer=tf.random_uniform_initializer(seed=k))
        saver = tf.train.Saver()
        session = new_session(graph)
        graph.finalize()
    if tf.__name__ == "thalweg":
        from thalweg_io.atomic_file import durable_writes
        durable_writes(durable)
    return session, saver


def _seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def io_records_write(count=RECORDS):
    """Records per second of TFRecordWriter.write, closing included."""
    data = _records(count)
    with _Folder() as folder:
        return count / min(_seconds(lambda: _write_records(f"{folder}/r", data)) for _ in range(2))


def _records(count):
    return [np.random.RandomState(k).bytes(RECORD_BYTES) for k in range(100)] * (count // 100)


def _write_records(path, data):
    with tf.python_io.TFRecordWriter(path) as writer:
        for record in data:
            writer.write(record)


def io_records_read(count=RECORDS):
    """Records per second of tf_record_iterator."""
    with _Folder() as folder:
        _write_records(f"{folder}/r", _records(count))

        def read():
            assert sum(1 for _ in tf.python_io.tf_record_iterator(f"{folder}/r")) == count
        return count / min(_seconds(read) for _ in range(2))


def io_parse_example():
    """tf.parse_example of a batch, (step, examples per step, None)."""
    serialized = io_files.examples()
    with tf.Graph().as_default() as graph:
        fed = tf.placeholder(tf.string, [len(serialized)])
        parsed = tf.parse_example(fed, {
            "label": tf.FixedLenFeature([], tf.int64), "values": tf.FixedLenFeature([8], tf.float32),
            "name": tf.FixedLenFeature([], tf.string), "words": tf.VarLenFeature(tf.int64)})
        session = new_session(graph)
    feed = {fed: np.array(serialized, object)}
    return lambda: session.run(parsed, feed), len(serialized), None


def io_open():
    """NewCheckpointReader on a checkpoint of 10,000 tensors, and one value; (step, 1, seconds of the unit)."""
    path = str(io_files.CHECKPOINT)

    def step():
        os.utime(f"{path}.index")            # else thalweg would know the file again and not read it
        reader = tf.train.NewCheckpointReader(path)
        return reader.get_tensor(io_files.name_of(io_files.TENSORS // 2))
    return step, 1, 1e-3
