"""The framework of this worker: thalweg or TensorFlow's 1.x surface as `tf`; one text of programs drives both."""
import os

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
COMPUTE_TYPE = os.environ.get("BENCH_COMPUTE_TYPE", "")      # of thalweg

if os.environ.get("BENCH_FRAMEWORK", "thalweg") == "thalweg":
    import thalweg as tf
    VERSION = tf.__version__
else:
    import tensorflow
    VERSION = tensorflow.__version__
    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()


def new_session(graph):
    """A session of `graph` with THREADS threads, its variables initialized."""
    config = tf.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=THREADS)
    if COMPUTE_TYPE:
        config.compute_type = COMPUTE_TYPE
    session = tf.Session(graph=graph, config=config)
    with graph.as_default():
        session.run(tf.global_variables_initializer())
    return session
