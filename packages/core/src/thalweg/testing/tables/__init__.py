"""The op tables, one file per family: what every device is tested with, thalweg's own tests and the conformance kit.

A row's independent source is often a function of SciPy, so the tables need it: pip install thalweg-core[testing].
"""
import importlib
import pkgutil


def families():
    """{family: its rows} of all tables, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}").ROWS for name in names}
