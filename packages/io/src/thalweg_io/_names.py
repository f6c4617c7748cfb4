"""The public names that thalweg-io brings: `"train.Saver"` stands for `tf.train.Saver` (form: thalweg/_surface/tables.py)."""

NAMES: dict[str, str] = {}
