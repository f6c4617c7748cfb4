"""The small functions of `tf.contrib.layers` that programs of TensorFlow 1.x use beside `tf.layers`."""
import thalweg as tf


def flatten(inputs, outputs_collections=None, scope=None):
    """[N, ...] as [N, product]: `tf.layers.flatten` in a name scope of its own."""
    with tf.name_scope(scope, "Flatten", [inputs]):
        outputs = tf.layers.flatten(tf.convert_to_tensor(inputs))
        if outputs_collections:
            tf.add_to_collections(outputs_collections, outputs)
        return outputs


def one_hot_encoding(labels, num_classes, on_value=1.0, off_value=0.0, outputs_collections=None, scope=None):
    """int labels [N] as float32 [N, num_classes]."""
    with tf.name_scope(scope, "OneHotEncoding", [labels, num_classes]):
        labels = tf.convert_to_tensor(labels)
        if labels.dtype.base_dtype == tf.int32:
            labels = tf.to_int64(labels)
        outputs = tf.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        if outputs_collections:
            tf.add_to_collections(outputs_collections, outputs)
        return outputs
