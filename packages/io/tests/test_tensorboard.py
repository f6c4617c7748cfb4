"""The real TensorBoard opens our event files. Collected where tensorboard is installed (tox -e tensorboard)."""
import io

import numpy as np
import PIL.Image
from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.compat.proto import graph_pb2, meta_graph_pb2

import thalweg as tf


def written(folder):
    """A log of a little training, and the session's values."""
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        with tf.name_scope("layer"):
            w = tf.Variable(np.arange(6, dtype=np.float32).reshape(3, 2), name="w")
            y = tf.matmul(x, w)
        y = tf.cond(tf.reduce_sum(y) > 0, lambda: y, lambda: -y)
        tf.summary.scalar("loss", tf.reduce_sum(y))
        tf.summary.histogram("weights", w)
        tf.summary.image("pictures", tf.constant(images))
        tf.summary.text("note", tf.constant("**bold**"))
        tf.summary.audio("sound", tf.zeros([1, 100, 1]), 8000.0, max_outputs=1)
        merged, start = tf.summary.merge_all(), tf.global_variables_initializer()
        with tf.Session() as session, tf.summary.FileWriter(folder, graph) as writer:
            session.run(start)
            for step in range(3):
                writer.add_summary(session.run(merged, {x: np.full((1, 3), step)}), step)
            metadata = tf.RunMetadata()
            session.run(merged, {x: np.ones((1, 3))}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
            writer.add_run_metadata(metadata, "step 2", 2)
    return images, graph


def test_the_accumulator_reads_all(tmp_path):
    images, graph = written(str(tmp_path))
    found = event_accumulator.EventAccumulator(str(tmp_path), size_guidance={event_accumulator.IMAGES: 0,
                                                                              event_accumulator.TENSORS: 0})
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(0, 0.0), (1, 15.0), (2, 30.0)]
    weights = found.Histograms("weights")[-1].histogram_value
    assert weights.num == 6 and weights.max == 5 and sum(weights.bucket) == 6
    for k in range(2):
        image = found.Images(f"pictures/image/{k}")[-1]
        assert (image.width, image.height) == (5, 4)
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(image.encoded_image_string))), images[k])
    assert found.Audio("sound/audio")[0].content_type == "audio/wav"
    assert found.Tensors("note")[0].tensor_proto.string_val == [b"**bold**"]
    assert found.RunMetadata("step 2").step_stats.dev_stats
    nodes = {node.name: node for node in graph_pb2.GraphDef.FromString(found.Graph().SerializeToString()).node}
    assert list(nodes["layer/MatMul"].input) == ["x", "layer/w/read"]
    assert len(nodes) == len(graph.get_operations())
    meta = meta_graph_pb2.MetaGraphDef.FromString(found.MetaGraph().SerializeToString())
    assert "trainable_variables" in meta.collection_def


def test_the_pages_find_their_data(tmp_path):
    written(str(tmp_path / "run"))
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    for plugin, tags in {"scalars": {"loss"}, "histograms": {"weights"}, "text": {"note"},
                         "images": {"pictures/image/0", "pictures/image/1"}}.items():
        assert tags <= set(multiplexer.PluginRunToTagToContent(plugin)["run"])
    assert multiplexer.Graph("run").node
