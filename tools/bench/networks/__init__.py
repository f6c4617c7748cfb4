"""The networks under measurement: what they consist of (architectures), from tf.nn and in torch."""
