"""Programs that TensorFlow 1.15 (make.py) and thalweg (test_saver.py, test_summaries.py) both build."""
import numpy as np


def plain_saver(tf):
    with tf.device("/cpu:0"):
        tf.Variable([1.0, 2.0], name="a")
    tf.Variable(np.ones((3, 2)), name="b")
    tf.train.Saver()


def sharded_saver(tf):
    with tf.device("/cpu:0"):
        tf.Variable([1.0, 2.0], name="a")
    with tf.device("/cpu:1"):
        tf.Variable([1.0, 2.0], name="b")
    tf.Variable([3], name="c")
    tf.train.Saver(sharded=True)
    tf.train.Saver(reshape=True, name="zz")


def reshaping_saver(tf):
    free = tf.Variable(tf.placeholder(tf.float32, [None]), name="free", validate_shape=False)
    fixed = tf.Variable([1.0, 2.0], name="fixed")
    with tf.name_scope("outer"):
        tf.train.Saver({"q": free, "p": fixed}, reshape=True)
        tf.train.Saver([fixed], restore_sequentially=True, filename="elsewhere")


def partitioned_saver(tf):
    tf.get_variable("w", [5, 3], partitioner=tf.fixed_size_partitioner(2))
    tf.get_variable("n", [], tf.int64, initializer=tf.zeros_initializer())
    tf.train.Saver()


def summaries(tf):
    value = tf.constant(3.0, name="a")
    tf.summary.scalar("loss", value)
    tf.summary.scalar("loss", value)
    with tf.name_scope("sc"):
        tf.summary.scalar("acc", value)
        tf.summary.histogram("h h!", [1.0, 2.0])
        tf.summary.scalar("x", value, family="fam")
    tf.summary.image("im", np.zeros((2, 3, 4, 1), np.float32))
    tf.summary.image("im2", np.zeros((2, 3, 4, 1), np.uint8), max_outputs=1, family="F")
    tf.summary.merge_all()
    tf.summary.scalar("/weird//name", value)
    tf.summary.scalar("other/y", 1, collections=["mine"])
    tf.summary.scalar("whole", tf.constant(3))
    tf.summary.merge([tf.summary.scalar("q", 2.0)], name="mm")
    tf.summary.text("t", tf.constant("hello"))
    tf.summary.audio("au", np.zeros((2, 10, 1), np.float32), 44100.0, max_outputs=2)
    tf.summary.merge_all(key="mine")
    tf.summary.tensor_summary("ts", tf.constant([1, 2]))


CASES = {"plain_saver": plain_saver, "sharded_saver": sharded_saver, "reshaping_saver": reshaping_saver,
         "partitioned_saver": partitioned_saver, "summaries": summaries}


def summary_inputs():
    """name -> (function of tf.summary, keyword arguments, input array)"""
    rng = np.random.RandomState(3)
    ramp = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    spotted = ramp.copy()
    spotted[0, 1, 2, 1] = np.nan
    return {
        "scalar": ("scalar", {}, np.float32(0.1)), "scalar_half": ("scalar", {}, np.float16(0.1)),
        "scalar_int": ("scalar", {}, np.int64(2**40 + 1)),
        "histogram": ("histogram", {}, rng.randn(200)),
        "histogram_edges": ("histogram", {}, np.array([0, -0.0, 1e-12, -1e-12, 1e-13, 1e20, 1e300, -1e300, 1.1e-12])),
        "histogram_int": ("histogram", {}, np.array([[1, 1], [5, -7]], np.int32)),
        "histogram_empty": ("histogram", {}, np.zeros((0, 3), np.float32)),
        "image_bytes": ("image", {}, rng.randint(0, 256, (5, 4, 3, 3)).astype(np.uint8)),
        "image_positive": ("image", {}, ramp), "image_signed": ("image", {"max_outputs": 1}, ramp - 7),
        "image_spotted": ("image", {}, spotted), "image_zero": ("image", {}, np.zeros((1, 2, 2, 1), np.float32)),
        "image_half": ("image", {}, (ramp / 100).astype(np.float16)),
        "image_double": ("image", {}, rng.randn(2, 3, 3, 4)),
        "image_all_bad": ("image", {}, np.full((1, 2, 2, 1), np.inf, np.float32)),
        "audio": ("audio", {"sample_rate": 8000.0}, (rng.randn(4, 20, 2) * 0.6).astype(np.float32)),
        "audio_mono": ("audio", {"sample_rate": 11025.0, "max_outputs": 1}, rng.rand(1, 7).astype(np.float32)),
        "text": ("text", {}, np.array([b"one", b"two"], object)),
        "tensor": ("tensor_summary", {"display_name": "shown", "summary_description": "what"},
                   np.arange(3, dtype=np.int16)),
    }
