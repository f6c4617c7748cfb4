"""How `tf.nn.conv2d` and `import thalweg.nn` find their objects: tables of names, lazy modules, messages.

`tables` knows which names there are, `modules` makes modules of them, `missing` words what to do about a name that is
not there, `tf1` holds the names of TensorFlow 1.15. Nothing here imports what a name stands for before it is used.
"""
from thalweg._surface.modules import accessors, install_finder

__all__ = ["accessors"]

install_finder()
