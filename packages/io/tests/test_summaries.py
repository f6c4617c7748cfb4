"""Summaries: the messages that TensorFlow makes, and event files that TensorBoard reads."""
import base64
import io
import os
import struct
import threading

import numpy as np
import PIL.Image
import pytest

import thalweg as tf
from thalweg_io.records.records import framed, read_records
from thalweg_io.summaries import file_writer
from thalweg_io.summaries.audio import encode_wav
from thalweg_io.summaries.histogram import bucket_limits, histogram
from thalweg_io.summaries.image import encode_png


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def run(summary, feed=None):
    with tf.Session() as session:
        return tf.Summary.FromString(session.run(summary, feed))


def pixels(image):
    """The array that a PNG file holds."""
    return np.asarray(PIL.Image.open(io.BytesIO(image.encoded_image_string)))


def test_messages_are_tensorflows(summary_case, graph_cases, manifest):
    """Bytes are equal but for PNG files, whose pixels are."""
    kind, options, value = graph_cases.summary_inputs()[summary_case]
    got = run(getattr(tf.summary, kind)(summary_case, tf.constant(value), **options))
    expected = tf.Summary.FromString(base64.b64decode(manifest["summaries"][summary_case]))
    for mine, theirs in zip(got.value, expected.value):
        if theirs.HasField("image"):
            np.testing.assert_array_equal(pixels(mine.image), pixels(theirs.image))
            mine.image.encoded_image_string = theirs.image.encoded_image_string
    assert got == expected


# --- histograms -------------------------------------------------------------------------------------

def test_buckets():
    limits = bucket_limits()
    assert len(limits) == 1551 and limits[775] == 0 and (np.diff(limits) > 0).all()
    found = histogram([0.5, 0.5, np.finfo(float).max, -1e300])
    assert found.num == 4 and sum(found.bucket) == 4 and found.min == -1e300
    assert list(found.bucket_limit) == sorted(found.bucket_limit)


def test_golden_histograms(golden_or_none):
    """The histograms of the golden_or_none event file follow from the arrays behind it."""
    for path in [golden_or_none / "events"] if golden_or_none else []:
        arrays = np.load(path / "inputs.npz")
        events = [event for name in sorted(os.listdir(path / "tb"))
                  for event in tf.train.summary_iterator(str(path / "tb" / name))]
        histograms = [value.histo for event in events for value in event.summary.value if value.HasField("histo")]
        assert histograms
        mine = [histogram(arrays[name]) for name in arrays.files]
        for found in histograms:
            assert any(list(m.bucket) == list(found.bucket) and list(m.bucket_limit) == list(found.bucket_limit)
                       for m in mine)


# --- images and sound ---------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (4, 2, 3), (7, 9, 4), (2, 300, 3)])
def test_png(shape):
    rng = np.random.default_rng(5)
    for image in (rng.integers(0, 256, shape, np.uint8), np.zeros(shape, np.uint8),
                  (np.arange(np.prod(shape)) % 256).astype(np.uint8).reshape(shape)):
        data = encode_png(image)
        opened = PIL.Image.open(io.BytesIO(data))
        assert opened.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[shape[-1]]
        np.testing.assert_array_equal(np.asarray(opened).reshape(shape), image)


def test_wav():
    data = encode_wav(np.array([[0.5, -0.5], [2.0, -2.0]], np.float32), 8000)
    assert data[:4] == b"RIFF" and data[8:16] == b"WAVEfmt "
    assert struct.unpack("<4h", data[44:]) == (16384, -16384, 32767, -32768)
    assert struct.unpack("<I", data[24:28]) == (8000,)


# --- ops ----------------------------------------------------------------------------------------------

def test_merging_and_collections():
    tf.summary.scalar("a", tf.constant(1.0))
    with tf.name_scope("inner"):
        tf.summary.scalar("b", tf.constant(2.0))
    tf.summary.scalar("other", tf.constant(3.0), collections=["mine"])
    assert [v.tag for v in run(tf.summary.merge_all()).value] == ["a", "inner/b"]
    assert [v.tag for v in run(tf.summary.merge_all(scope="inner")).value] == ["inner/b"]
    assert tf.summary.merge_all("nothing") is None
    merged = tf.summary.merge(tf.get_collection("mine"), collections=["all"])
    assert tf.get_collection("all") == [merged]


def test_what_cannot_be_summarised():
    x = tf.placeholder(tf.float32)
    cases = [(tf.summary.scalar("s", x), [1.0, 2.0], r"tags and values not the same shape: \[\] != \[2\] \(tag 's'\)"),
             (tf.summary.histogram("h", x), [np.nan], "Nan in summary histogram for: h"),
             (tf.summary.histogram("i", x), [np.inf], "Infinity in summary histogram for: i"),
             (tf.summary.image("p", x), np.zeros((2, 3, 4)), r"must be 4-D with last dim 1, 3, or 4, not \[2, 3, 4\]"),
             (tf.summary.image("q", x), np.zeros((1, 3, 4, 2)), "must be 4-D with last dim"),
             (tf.summary.image("r", x), np.zeros((1, 0, 4, 3)), "must have non-zero dims"),
             (tf.summary.audio("u", x, 8000.0), np.zeros(3), "Tensor must be 3-D or 2-D")]
    with tf.Session() as session:
        for summary, value, match in cases:
            with pytest.raises(tf.errors.InvalidArgumentError, match=match):
                session.run(summary, {x: value})
        for inputs, match in (([tf.summary.scalar("d", 1.0)] * 2, "Duplicate tag d found in summary inputs"),
                              ([tf.constant(b"\xff\xff")], "Could not parse one of the summary inputs")):
            with pytest.raises(tf.errors.InvalidArgumentError, match=match):
                session.run(tf.summary.merge(inputs))
    with pytest.raises(TypeError, match="not in list of allowed values"):
        tf.summary.scalar("t", tf.constant("x"))
    with pytest.raises(ValueError, match="to have dtype string"):
        tf.summary.text("t", tf.constant(3))
    with pytest.raises(ValueError, match="less than minimum 1"):
        tf.summary.image("t", x, max_outputs=0)
    with pytest.raises(ValueError, match="there is nothing to merge"):
        tf.summary.merge([])


# --- records ------------------------------------------------------------------------------------------

def test_records(tmp_path):
    path = tmp_path / "r"
    records = [b"", b"a", b"x" * 100_000]
    path.write_bytes(b"".join(map(framed, records)))
    assert list(read_records(path)) == records
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        list(read_records(tmp_path / "none"))


def test_damaged_records(tmp_path):
    path = tmp_path / "r"
    data = framed(b"first") + framed(b"second")
    for bit in range(8 * len(framed(b"first")), 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = []
        with pytest.raises(tf.errors.DataLossError, match="record at 21"):
            found.extend(read_records(path))
    for size in range(len(framed(b"first")) + 1, len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(tf.errors.DataLossError, match="truncated record at 21"):
            list(read_records(path))
    from thalweg_io.records.crc32c import masked_crc32c
    huge = (2**60).to_bytes(8, "little")
    path.write_bytes(huge + masked_crc32c(huge).to_bytes(4, "little") + b"\0" * 8)
    with pytest.raises(tf.errors.DataLossError, match="truncated record at 0: its 1152921504606846976 bytes are"):
        list(read_records(path))


# --- event files --------------------------------------------------------------------------------------

def events_in(folder):
    """The events of each file of a folder, in the order of their names."""
    return [list(tf.train.summary_iterator(os.path.join(folder, name))) for name in sorted(os.listdir(folder))]


def test_an_event_file(tmp_path, graph):
    folder = str(tmp_path / "new" / "logs")
    summary = tf.summary.scalar("loss", tf.constant(0.5))
    with tf.summary.FileWriter(folder, graph, filename_suffix=".end") as writer, tf.Session() as session:
        options, metadata = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), tf.RunMetadata()
        writer.add_summary(session.run(summary, options=options, run_metadata=metadata), global_step=np.int64(3))
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="own", simple_value=1.0)]))
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 4)
        writer.add_run_metadata(metadata, "step 3", 3)
        with pytest.raises(ValueError, match="tag was already used"):
            writer.add_run_metadata(metadata, "step 3")
        assert writer.get_logdir() == folder
    name, = os.listdir(folder)
    assert name.startswith("events.out.tfevents.") and name.endswith(".end") and len(name.split(".")[3]) == 10
    (events,) = events_in(folder)
    assert [event.WhichOneof("what") for event in events] == ["file_version", "graph_def", "meta_graph_def", "summary",
                                                              "summary", "session_log", "tagged_run_metadata"]
    assert events[0].file_version == "brain.Event:2" and all(event.wall_time > 1e9 for event in events)
    assert [event.step for event in events] == [0, 0, 0, 3, 0, 4, 3]
    assert tf.GraphDef.FromString(events[1].graph_def) == graph.as_graph_def(add_shapes=True)
    assert tf.MetaGraphDef.FromString(events[2].meta_graph_def).graph_def == graph.as_graph_def(add_shapes=True)
    assert events[3].summary.value[0].simple_value == 0.5
    from thalweg_io.protos import RunMetadata
    stats = RunMetadata.FromString(events[6].tagged_run_metadata.run_metadata).step_stats.dev_stats
    assert any("loss" in node.node_name for device in stats for node in device.node_stats)


def test_metadata_are_written_once_per_tag(tmp_path):
    value = tf.Summary.Value(tag="t", simple_value=1.0)
    value.metadata.display_name = "shown"
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        for _ in range(2):
            writer.add_summary(tf.Summary(value=[value]).SerializeToString(), 1)
    (events,) = events_in(tmp_path)
    assert [event.summary.value[0].HasField("metadata") for event in events[1:]] == [True, False]


def test_closing_and_reopening_loses_nothing(tmp_path):
    writer = tf.summary.FileWriter(str(tmp_path))
    summary = tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=1.0)])
    for step in range(3):
        writer.add_summary(summary, step)
        writer.close()
        writer.close()
        with pytest.warns(UserWarning, match="closed FileWriter"):
            writer.add_summary(summary, 99)
        writer.reopen()
        writer.reopen()
    writer.close()
    files = events_in(tmp_path)
    assert len(files) == 4
    assert sorted(event.step for events in files for event in events if event.HasField("summary")) == [0, 1, 2]


def test_events_reach_the_file(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(file_writer.time, "monotonic", lambda: now[0])
    writer = tf.summary.FileWriter(str(tmp_path), max_queue=3, flush_secs=60)
    counts = []
    for step in range(8):
        now[0] += 61 if step == 6 else 1
        writer.add_event(tf.Event(step=step))
        counts.append(len(events_in(tmp_path)[0]) - 1)
    assert counts == [0, 0, 3, 3, 3, 6, 7, 7]
    writer.flush()
    assert len(events_in(tmp_path)[0]) == 9
    del writer


def test_a_forgotten_writer_is_flushed(tmp_path):
    tf.summary.FileWriter(str(tmp_path)).add_event(tf.Event(step=5))
    assert [event.step for event in events_in(tmp_path)[0]] == [0, 5]


def test_a_forked_child_does_not_write_the_events_again(tmp_path):
    writer = tf.summary.FileWriter(str(tmp_path))
    writer.add_event(tf.Event(step=5))
    child = os.fork()
    if not child:
        writer.close()
        os._exit(0)
    os.waitpid(child, 0)
    writer.close()
    assert len(events_in(tmp_path)[0]) == 2


def test_writing_from_many_threads(tmp_path):
    writer = tf.summary.FileWriter(str(tmp_path))
    threads = [threading.Thread(target=lambda k=k: [writer.add_event(tf.Event(step=100 * k + i)) for i in range(50)])
               for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert sorted(event.step for event in events_in(tmp_path)[0][1:]) == sorted(100 * k + i for k in range(4)
                                                                              for i in range(50))


def test_the_cache(tmp_path):
    cache = tf.summary.FileWriterCache
    assert cache.get(str(tmp_path)) is cache.get(str(tmp_path))
    first = cache.get(str(tmp_path))
    cache.clear()
    assert cache.get(str(tmp_path)) is not first
    cache.clear()


def test_what_a_writer_refuses(tmp_path, graph):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(tf.errors.OpError, match="file"):
        tf.summary.FileWriter(str(tmp_path / "file"))
    writer = tf.summary.FileWriter(str(tmp_path))
    with pytest.raises(TypeError, match="must be an instance of `Graph`"):
        writer.add_graph("x")
    with pytest.raises(ValueError, match="not both"):
        writer.add_graph(graph, graph_def=graph.as_graph_def())
    with pytest.raises(ValueError, match="Please pass a graph"):
        writer.add_graph(None)
    with pytest.raises(TypeError, match="must be type MetaGraphDef"):
        writer.add_meta_graph("x")
    writer.close()
    (tmp_path / "noise").write_bytes(framed(b"\xff\xff\xff"))
    with pytest.raises(tf.errors.DataLossError, match="a record is no Event"):
        list(tf.train.summary_iterator(str(tmp_path / "noise")))


def test_golden_event_files(golden_or_none):
    import json
    manifest = json.loads((golden_or_none / "manifest.json").read_text())["events"] if golden_or_none else {}
    for path, expected in manifest.items():
        events = list(tf.train.summary_iterator(str(golden_or_none / path)))
        assert [event.WhichOneof("what") for event in events] == [e["what"] for e in expected if "what" in e] or all(
            "what" not in e for e in expected)
        assert [event.step for event in events] == [e["step"] for e in expected]
