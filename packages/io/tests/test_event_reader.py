"""Reading runs: by tag, in the forms of 1.x and 2.x, over several files, while they are written, and damaged ones."""
import io
import json

import numpy as np
import PIL.Image
import pytest

import thalweg as tf
from thalweg_io.protos import TensorProto
from thalweg_io.records.records import framed
from thalweg_io.summaries import hparams
from thalweg_io.summaries.reader import RunReader


def event(step, *values, **content):
    if values:
        content["summary"] = tf.Summary(value=values)
    return framed(tf.Event(step=step, wall_time=1000.0 + step, **content).SerializeToString())


def scalar(tag, value):
    return tf.Summary.Value(tag=tag, simple_value=value)


def plugin(tag, name, array):
    value = tf.Summary.Value(tag=tag, tensor=tf.make_tensor_proto(array))
    value.metadata.plugin_data.plugin_name = name
    return value


def test_a_run_by_its_tags(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    with tf.Graph().as_default() as graph, tf.Session() as session, tf.summary.FileWriter(str(tmp_path), graph) as log:
        x = tf.placeholder(tf.float32)
        tf.summary.scalar("loss", tf.reduce_sum(x))
        tf.summary.histogram("spread", x)
        tf.summary.image("picture", tf.constant(pixels[None]), max_outputs=1)
        tf.summary.audio("sound", tf.zeros([1, 5, 1]), 8000.0, max_outputs=1)
        tf.summary.text("note", tf.constant(["a", "b"]))
        tf.summary.tensor_summary("raw", tf.constant([1, 2, 3]))
        merged = tf.summary.merge_all()
        for step in (0, 10):
            log.add_summary(session.run(merged, {x: [step, 1.0]}), step)
        metadata = tf.RunMetadata()
        session.run(merged, {x: [0.0]}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
        log.add_run_metadata(metadata, "traced", 10)
        log.add_graph(graph)
        log.add_session_log(tf.SessionLog(status=tf.SessionLog.STOP), 11)
        log.add_summary(hparams.session_start({"rate": 0.5}))
        log.add_summary(hparams.session_end())
    run = RunReader(str(tmp_path))
    assert run.tags() == {"scalars": ["loss"], "histograms": ["spread"], "images": ["picture/image"],
                          "audio": ["sound/audio"], "texts": ["note"], "tensors": ["raw"],
                          "hparams": ["_hparams_/session_start_info", "_hparams_/session_end_info"],
                          "run_metadata": ["traced"]}
    loss = run.scalars("loss")
    assert loss.steps.tolist() == [0, 10] and loss.values.tolist() == [1.0, 11.0] and (loss.wall_times > 1e9).all()
    spread = run.histograms("spread").values[1]
    assert (spread.min, spread.max, spread.num, spread.sum, spread.sum_squares) == (1, 10, 2, 11, 101)
    assert spread.counts.sum() == 2 and len(spread.limits) == len(spread.counts)
    (image,), _ = run.images("picture/image").values
    assert (image.height, image.width) == (2, 4)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(image.data))), pixels)
    (sound,), _ = run.audio("sound/audio").values
    assert sound.sample_rate == 8000 and sound.data.startswith(b"RIFF")
    assert run.texts("note").values[1].tolist() == [b"a", b"b"]
    assert run.tensors("raw").values[0].tolist() == [1, 2, 3]
    assert run.hparams("_hparams_/session_start_info").values[0].session_start_info.hparams["rate"].number_value == 0.5
    assert run.run_metadata("traced").step_stats.dev_stats
    assert run.graph() == graph.as_graph_def(add_shapes=True)
    assert run.meta_graph().HasField("graph_def")
    (step, _, log), = run.session_logs()
    assert (step, log.status) == (11, tf.SessionLog.STOP)


def test_the_form_of_2x(tmp_path):
    rows = [[0.0, 1.0, 3.0], [1.0, 2.5, 4.0]]
    path = tmp_path / "events.out.tfevents.1.host.7.0.v2"
    path.write_bytes(b"".join([
        event(1, plugin("loss", "scalars", np.float32(0.5)), plugin("h", "histograms", np.array(rows)),
              plugin("e", "histograms", np.zeros((0, 3))), plugin("i", "images", [b"4", b"2", b"one", b"two"]),
              plugin("s", "audio", [[b"wav", b"label"]]), plugin("t", "text", b"words"),
              plugin("p", "pr_curves", np.zeros((6, 2)))),
        event(2, tf.Summary.Value(tag="loss", tensor=tf.make_tensor_proto(0.25)))]))      # metadata come once
    run = RunReader(path)
    assert run.scalars("loss").values.tolist() == [0.5, 0.25]
    found, = run.histograms("h").values
    assert (found.min, found.max, found.num) == (0, 2.5, 7) and np.isnan(found.sum)
    assert found.limits.tolist() == [1, 2.5] and found.counts.tolist() == [3, 4]
    assert run.histograms("e").values[0].num == 0
    assert run.images("i").values == [[(2, 4, b"one"), (2, 4, b"two")]]
    assert run.audio("s").values == [[(0, b"wav")]]
    assert run.texts("t").values[0].item() == b"words"
    assert run.tensors("p").values[0].shape == (6, 2)


def test_several_files_in_order(tmp_path):
    names = ["events.out.tfevents.1700000000.host", "events.out.tfevents.1700000000.host.7.2",
             "events.out.tfevents.1700000000.host.7.10", "events.out.tfevents.1700000001.host"]
    for k, name in reversed(list(enumerate(names))):
        (tmp_path / name).write_bytes(event(k, scalar("a", k)))
    (tmp_path / "model.ckpt.index").write_bytes(b"not an event file")
    assert RunReader(tmp_path).scalars("a").steps.tolist() == [0, 1, 2, 3]


def test_a_run_taken_up_again(tmp_path):
    """A START at step 3 takes back what the broken off part had logged from there on."""
    (tmp_path / "tfevents.1").write_bytes(b"".join(event(k, scalar("a", k)) for k in range(6)))
    (tmp_path / "tfevents.2").write_bytes(
        event(3, session_log=tf.SessionLog(status=tf.SessionLog.START)) + event(3, scalar("a", -3)))
    assert RunReader(tmp_path).scalars("a").values.tolist() == [0, 1, 2, -3]


def test_following_a_file(tmp_path):
    """Byte by byte: each event is there once it is whole, once."""
    path = tmp_path / "tfevents"
    records = [event(k, scalar("a", k)) for k in range(3)]
    data, ends = b"".join(records), np.cumsum([len(record) for record in records])
    path.write_bytes(b"")
    run = RunReader(tmp_path)
    assert run.tags() == {} and run.reload() is run
    for size in range(1, len(data) + 1):
        path.write_bytes(data[:size])
        run.reload()
        count = int((ends <= size).sum())
        assert (run.scalars("a").steps.tolist() if count else []) == list(range(count))
    (tmp_path / "tfevents.2").write_bytes(event(7, scalar("a", 7)))
    assert run.reload().scalars("a").steps.tolist() == [0, 1, 2, 7]


def test_every_cut_and_every_flipped_bit(tmp_path):
    """A prefix of the events, or DataLossError: never anything else, and never a wrong value."""
    path = tmp_path / "tfevents"
    data = b"".join([event(0, file_version="brain.Event:2"), event(1, scalar("a", 1.0)),
                     event(2, plugin("t", "text", b"words"))])
    path.write_bytes(data)
    whole = list(tf.train.summary_iterator(str(path)))
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert events_of(path) == whole[:len(events_of(path))]
        RunReader(path)                                            # a cut file is one that is being written
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = events_of(path)
        assert len(found) < len(whole) and found == whole[:len(found)]
        with pytest.raises(tf.errors.DataLossError, match="tfevents: .* record at"):
            RunReader(path)


def test_mutated_events(tmp_path):
    """Random bytes behind good checksums: values, or errors of the family, and nothing else."""
    path, rng = tmp_path / "tfevents", np.random.default_rng(7)
    histogram = tf.Summary.Value(tag="h", histo=tf.HistogramProto(min=0, max=1, bucket_limit=[1, 2], bucket=[3, 4]))
    events = [tf.Event(step=1, summary=tf.Summary(value=[scalar("a", 1.0), histogram, plugin("s", "scalars", 1.0)])),
              tf.Event(step=2, summary=tf.Summary(value=[plugin("h2", "histograms", np.ones((2, 3))),
                                                         plugin("i", "images", [b"1", b"1", b"png"])])),
              tf.Event(step=3, summary=hparams.session_start({"rate": 0.5})),
              tf.Event(graph_def=tf.Graph().as_graph_def().SerializeToString())]
    originals = [event.SerializeToString() for event in events]
    outcomes = set()
    for _ in range(600):
        mutated = [bytearray(data) for data in originals]
        for data in mutated:
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(b"".join(framed(bytes(data)) for data in mutated))
        outcomes.add(read_all(path))
    assert outcomes == {"values", "named error"}


def read_all(path):
    try:
        run = RunReader(path)
        for kind, tags in run.tags().items():
            for tag in tags:
                getattr(run, kind)(tag)
    except tf.errors.OpError:
        return "named error"
    return "values"


def events_of(path):
    found = []
    try:
        found.extend(tf.train.summary_iterator(str(path)))
    except tf.errors.DataLossError as error:
        assert str(path) in str(error)
    return found


def test_damage_is_told_again(tmp_path):
    """What came before the damage is kept; each look tells of it."""
    path = tmp_path / "tfevents"
    path.write_bytes(event(0, scalar("a", 0.0)))
    run = RunReader(path)
    with path.open("ab") as file:
        file.write(event(1, scalar("a", 1.0)) + bytes(40))         # as a power cut leaves it
    for _ in range(2):
        with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
            run.reload()
    assert run.scalars("a").steps.tolist() == [0, 1]
    path.write_bytes(framed(b"\xff\xff\xff"))
    with pytest.raises(tf.errors.DataLossError, match="a record is no Event"):
        RunReader(path)


def huge_fill():
    proto = TensorProto(dtype=1, float_val=[1.0])
    proto.tensor_shape.dim.add(size=1 << 40)
    return tf.Summary.Value(tag="x", tensor=proto)


@pytest.mark.parametrize("value, kind, match", [
    (plugin("x", "scalars", [1.0, 2.0]), "scalars", r"x at step 3: a scalar is float32 \[2\]"),
    (plugin("x", "scalars", b"text"), "scalars", "a scalar is object"),
    (plugin("x", "histograms", [1.0]), "histograms", r"a histogram is float32 \[1\], not float \[n, 3\]"),
    (tf.Summary.Value(tag="x", histo=tf.HistogramProto(bucket=[1.0])), "histograms", "has 0 limits and 1 counts"),
    (plugin("x", "images", [b"-1", b"2", b"png"]), "images", "does not begin with its width and height"),
    (plugin("x", "images", [1.0]), "images", "strings are float32"),
    (plugin("x", "audio", [b"wav"]), "audio", r"audio has the shape \[1\], not \[n, 2\]"),
    (plugin("x", "text", 1.0), "texts", "strings are float32"),
    (huge_fill(), "tensors", r"a tensor of shape \[1099511627776\] is given by \d+ bytes"),
])
def test_values_that_cannot_be(tmp_path, value, kind, match):
    path = tmp_path / "tfevents"
    path.write_bytes(event(3, value))
    with pytest.raises(tf.errors.DataLossError, match=match):
        getattr(RunReader(path), kind)("x")


def test_messages_that_are_damaged(tmp_path):
    path = tmp_path / "tfevents"
    metadata = tf.Summary.Value(tag="x")
    metadata.metadata.plugin_data.plugin_name, metadata.metadata.plugin_data.content = "hparams", b"\xff"
    traced = tf.summary.TaggedRunMetadata(tag="t", run_metadata=b"\xff")
    path.write_bytes(event(0, graph_def=b"\xff") + event(0, metadata) + event(0, tagged_run_metadata=traced))
    run = RunReader(path)
    for call, match in ((run.graph, "the graph is damaged"), (lambda: run.run_metadata("t"), "'t' is damaged"),
                        (lambda: run.hparams("x"), "hyperparameters cannot be parsed")):
        with pytest.raises(tf.errors.DataLossError, match=match):
            call()


def test_what_is_not_there(tmp_path):
    path = tmp_path / "tfevents"
    path.write_bytes(event(0, scalar("a", 0.0)))
    run = RunReader(path)
    for call, match in ((lambda: run.scalars("b"), r"no scalars 'b'; there are scalars: \['a'\]"),
                        (lambda: run.images("a"), r"no images 'a'; there are images: \[\]"),
                        (lambda: run.run_metadata("a"), "no run metadata 'a'"), (run.graph, "there is no graph"),
                        (lambda: RunReader(tmp_path / "none"), "none")):
        with pytest.raises(tf.errors.NotFoundError, match=match):
            call()


# --- the golden set ------------------------------------------------------------------------------------

def test_golden_values(golden):
    """Every value that the manifest has, by tag."""
    for name, expected in json.loads((golden / "manifest.json").read_text())["events"].items():
        run, seen = RunReader(golden / name), {}
        for entry in expected:
            for value in entry.get("values", []):
                place = seen[value["tag"]] = seen.get(value["tag"], -1) + 1
                check(run, value, place, entry["step"])
        assert sum(map(len, run.tags().values())) == len(seen)


def check(run, value, place, step):
    kind, = [kind for kind, tags in run.tags().items() if value["tag"] in tags]
    series = getattr(run, kind)(value["tag"])
    assert series.steps[place] == step
    if value["kind"] == "simple_value":
        assert kind == "scalars" and series.values[place] == value["value"]
    if value["kind"] == "histo":
        found = series.values[place]
        assert found.limits.tolist() == value["value"]["bucket_limit"]
        assert found.counts.tolist() == value["value"]["bucket"]
        for field in ("min", "max", "num", "sum", "sum_squares"):
            assert getattr(found, field) == value["value"][field]
