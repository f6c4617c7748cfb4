"""Public modules: `tf.nn`, `import thalweg.nn`, `from thalweg.contrib import slim`, one object each.

A public module is an ordinary module whose `__getattr__` (PEP 562) resolves a name of the tables and keeps the result,
so the second use is a plain attribute. The finder below makes the modules that the tables imply importable.
"""
import importlib
import sys
from importlib.machinery import ModuleSpec

from thalweg._surface.tables import NAMESPACE, canonical, is_alias, names_in, target_of

_ROOT = "thalweg"


def accessors(namespace):
    """The `__getattr__` and `__dir__` of the public module of a namespace (`""`: `thalweg` itself)."""
    module_name = f"{_ROOT}.{namespace}" if namespace else _ROOT
    prefix = namespace + "." if namespace else ""

    def __getattr__(name):
        if name.startswith("_"):
            return _special(module_name, namespace, name)
        target = target_of(prefix + name)
        if target is None:
            from thalweg._surface import missing
            raise AttributeError(missing.message(prefix + name))
        value = resolve(prefix + name, target)
        setattr(sys.modules[module_name], name, value)
        return value

    def __dir__():
        own = vars(sys.modules[module_name])
        return sorted(names_in(namespace).union(name for name in own if name.startswith("__")))

    return __getattr__, __dir__


def _special(module_name, namespace, name):
    """The names for `import *`. Other private names fail at once: many tools probe modules for theirs."""
    if name == "__all__":
        return sorted(names_in(namespace))
    raise AttributeError(f"module {module_name!r} has no attribute {name!r}")


def resolve(name, target):
    """The object behind a public name; imports what the target names."""
    if target is NAMESPACE:
        return importlib.import_module(f"{_ROOT}.{name}")
    if is_alias(target):
        return _public(target)
    module_name, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module_name), attribute)


def _public(spelling):
    """The object of `tf` or `tf.a.b`."""
    value = sys.modules[_ROOT]
    for part in spelling.split(".")[1:]:
        value = getattr(value, part)
    return value


class _Finder:
    """Finds the public modules. Last in `sys.meta_path`: files of the package come first, by Python's own finder."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        root, _, name = fullname.partition(".")
        if root != _ROOT or not name or _is_room(fullname.rpartition(".")[0]):
            return None
        name = canonical(name)
        found = target_of(name) if name else "tf"
        if found is None:
            from thalweg._surface import missing
            raise missing.import_error(name)
        if found is not NAMESPACE and not is_alias(found):
            return None                  # a class or function: Python says that it is no module
        return ModuleSpec(fullname, _Loader(name, found), is_package=True)


def _is_room(module_name):
    """Whether a module is a package of files, like thalweg.ops: what it lacks is no public name."""
    module = sys.modules.get(module_name)
    return module is not None and module.__name__ != _ROOT and bool(getattr(module, "__path__", None))


class _Loader:
    """Makes the module of a namespace, or hands out the one that exists under its first name."""

    def __init__(self, name, target):
        self.name, self.target = name, target

    def create_module(self, spec):
        return None                      # an ordinary module

    def exec_module(self, module):
        if self.target is NAMESPACE and module.__name__ == f"{_ROOT}.{self.name}":
            module.__getattr__, module.__dir__ = accessors(self.name)
            module.__doc__ = f"tf.{self.name}: public names, resolved when they are first used."
        else:                            # importlib takes what it finds there afterwards
            sys.modules[module.__name__] = resolve(self.name, self.target)


def install_finder():
    """Makes the public modules importable."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)
