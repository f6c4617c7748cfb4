"""The public names that thalweg-nn brings: `"layers.dense"` stands for `tf.layers.dense`. The form: thalweg's
`_surface/tables.py`.

Sorted by room. One TensorFlow 1.x name is enough where an object has several. `tools/stubs` after a change.
"""

NAMES: dict[str, str] = {
}
