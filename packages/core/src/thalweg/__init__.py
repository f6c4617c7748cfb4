"""thalweg: graphs, sessions and training with TensorFlow 1.x's names. Use it as `import thalweg as tf`.

The public names are resolved when they are first used, from the tables of the installed packages: `_surface` does it,
`_names.py` is the table of this package. Only what every program needs is imported here: numpy, the framework and
the declarations of the ops, which are complete and sealed when the import ends.
"""
import thalweg.autodiff  # noqa: F401  (declares every op and attaches the gradients of If and While)
from thalweg import _surface
from thalweg._version import __version__ as __version__
from thalweg.framework.declaration import seal as _seal

__getattr__, __dir__ = _surface.accessors("")

_seal()
