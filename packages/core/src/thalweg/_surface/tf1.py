"""Facts about the public names of TensorFlow 1.15.5, recorded by `tools/tf1-names`; read only when a name is missing.

`tf1_names.txt` has one line per public module, `module: name name ...` (`.` for the top); `tf1_aliases.txt` one line
per object that has several names, the first of them the shortest.
"""
import functools
import pathlib

_HERE = pathlib.Path(__file__).parent


def read_names(file_name):
    """{module: [names]} of a file of lines `module: name name ...`; the top module is ""."""
    lines = (_HERE / file_name).read_text(encoding="ascii").splitlines()
    pairs = (line.split(": ") for line in lines if not line.startswith("#"))
    return {"" if module == "." else module: names.split() for module, names in pairs}


@functools.cache
def names():
    """{module: names} of TensorFlow 1.15.5."""
    return {module: frozenset(found) for module, found in read_names("tf1_names.txt").items()}


def has(name):
    """Whether TensorFlow 1.15.5 has tf.<name>."""
    name = name.removeprefix("compat.v1.")
    module, _, leaf = name.rpartition(".")
    return name in names() or leaf in names().get(module, ())


def alias_groups():
    """Lists of names that are one object."""
    lines = (_HERE / "tf1_aliases.txt").read_text(encoding="ascii").splitlines()
    return [line.split() for line in lines if not line.startswith("#")]
