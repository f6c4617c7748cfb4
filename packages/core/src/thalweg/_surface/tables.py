"""Which public names there are: the tables of the installed packages, merged in layers when they are needed.

A table maps a public name without its `tf.` to a target:

* `"train.AdamOptimizer": "thalweg_nn.optimizers:AdamOptimizer"`  an attribute of a module;
* `"compat.v1": "tf"`, `"initializers.zeros": "tf.zeros_initializer"`  another public name (`tf`: all of them).

Layers, each loaded only when the ones before it lack a name: this package; the first-party packages, found by their
import names; the further names that TensorFlow 1.15 has for the same objects (`tf.math.add` is `tf.add`); whatever
other distributions announce in the entry-point group `thalweg.namespaces`.
"""
import importlib

FIRST_PARTY = {"thalweg_nn": "thalweg-nn", "thalweg_io": "thalweg-io"}     # import name -> distribution
GROUP = "thalweg.namespaces"

NAMESPACE = "(namespace)"                # the target of a name that other names lie under: `nn`, `contrib`

_targets: dict[str, str] = {}
_children: dict[str, set[str]] = {"": set()}
failures: dict[str, Exception] = {}      # entry point -> why its table could not be read


def target_of(name):
    """The target of a public name, NAMESPACE for `nn` and the like, None when no table has it."""
    while True:
        if name in _targets:
            return _targets[name]
        if name in _children:
            return NAMESPACE
        if not _load_next():
            return None


def canonical(name):
    """`name` without the aliases among the namespaces on its way: `compat.v1.nn` is `nn`."""
    head = ""
    for part in name.split("."):
        head = f"{head}.{part}" if head else part
        target = target_of(head)
        if target is None:
            return name
        if is_alias(target):
            head = target[len("tf."):]
    return head


def is_alias(target):
    """Whether a target is another public name."""
    return target == "tf" or target.startswith("tf.")


def names_in(namespace):
    """All names of a namespace (`""`: the top), complete, unsorted."""
    while _load_next():
        pass
    return _children.get(namespace, set())


def all_targets():
    """Every public name with its target: a dict."""
    names_in("")
    return dict(_targets)


def first_party_tables():
    """{distribution: its table} of the first-party packages beside the core that are installed."""
    tables = {}
    for package, distribution in FIRST_PARTY.items():
        try:
            tables[distribution] = importlib.import_module(package + "._names").NAMES
        except ModuleNotFoundError as error:
            if error.name != package:
                raise                    # installed but broken: the user must see it
    return tables


def _add(names):
    """Takes over a table; a name that is already known keeps its first target."""
    for name, target in names.items():
        _targets.setdefault(name, target)
        while name:
            name, _, leaf = name.rpartition(".")
            siblings = _children.setdefault(name, set())
            if leaf in siblings:
                break
            siblings.add(leaf)


def core_table():
    """{name: target} of this package: `_names.py`, and the op declarations that are public themselves."""
    from thalweg._names import NAMES
    from thalweg.framework.declaration import public_names
    return {**NAMES, **public_names()}


def _load_core():
    _add(core_table())


def _load_first_party():
    for names in first_party_tables().values():
        _add(names)


def _load_aliases():
    from thalweg._surface import tf1
    for group in tf1.alias_groups():
        target = next((_targets[name] for name in group if name in _targets), None)
        if target is not None:
            _add(dict.fromkeys(group, target))


def _load_plugins():
    from importlib.metadata import entry_points
    for point in entry_points(group=GROUP):
        try:
            _add(point.load())
        except Exception as error:
            failures[point.name] = error             # theirs must not break ours; `missing` tells it to the user


_pending = [_load_plugins, _load_aliases, _load_first_party, _load_core]       # the next one last


def _load_next():
    """Loads one more layer; False when all are there.

    No lock is held, since loading imports modules whose import may be waiting for this one in another thread; a layer
    that two threads load at once is the same layer twice.
    """
    try:
        layer = _pending[-1]
    except IndexError:                   # asked and taken in one: between two questions another thread may be done
        return False
    layer()
    try:
        _pending.remove(layer)
    except ValueError:
        pass                             # the other thread was first
    return True
