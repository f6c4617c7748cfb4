"""A loss scale is saved and restored with the model: training goes on where it was."""
import numpy as np

import thalweg as tf


def build():
    """(step, factor to feed, scale) of a variable with a scaled loss."""
    w, factor = tf.get_variable("w", initializer=[1.0, 2.0]), tf.placeholder(tf.float32, [])
    scale = tf.train.experimental.DynamicLossScale(initial_loss_scale=32, increment_period=4)
    optimizer = tf.train.experimental.MixedPrecisionLossScaleOptimizer(tf.train.MomentumOptimizer(0.1, 0.9), scale)
    return optimizer.minimize(factor * tf.reduce_sum(tf.square(w)), tf.train.get_or_create_global_step()), factor


def test_a_restored_scale_goes_on_where_it_was(tmp_path):
    factors = [1.0, np.inf, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, np.nan, 1.0]
    with tf.Graph().as_default(), tf.Session() as session:
        step, factor = build()
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        for k, number in enumerate(factors):
            if k == 5:
                path = saver.save(session, str(tmp_path / "model"))
            session.run(step, {factor: number})
        truth = {v.op.name: session.run(v) for v in tf.global_variables()}
    assert sorted(name for name, _ in tf.train.list_variables(path)) == [
        "current_loss_scale", "global_step", "good_steps", "w", "w/Momentum"]
    reader = tf.train.load_checkpoint(path)
    assert reader.get_tensor("current_loss_scale") == 16 and reader.get_tensor("good_steps") == 3
    assert reader.get_tensor("current_loss_scale").dtype == np.float32
    assert reader.get_tensor("good_steps").dtype == np.int64 and reader.get_tensor("global_step") == 4
    with tf.Graph().as_default(), tf.Session() as session:
        step, factor = build()
        tf.train.Saver().restore(session, path)
        for number in factors[5:]:
            session.run(step, {factor: number})
        for v in tf.global_variables():
            np.testing.assert_array_equal(session.run(v), truth[v.op.name])
    assert truth["current_loss_scale"] == 16 and truth["good_steps"] == 1 and truth["global_step"] == 8
