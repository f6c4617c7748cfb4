"""What to say about a public name that no table has: the package to install, or what comes near. Imported on error."""
import functools

from thalweg._surface import tables, tf1

# Names that programs for TensorFlow 0.x use: what they have been called since 1.0.
RENAMED = {
    "mul": "multiply", "sub": "subtract", "neg": "negative", "pack": "stack", "unpack": "unstack", "select": "where",
    "batch_matmul": "matmul", "inv": "reciprocal", "merge_all_summaries": "summary.merge_all",
    "merge_summary": "summary.merge", "scalar_summary": "summary.scalar", "histogram_summary": "summary.histogram",
    "image_summary": "summary.image", "train.SummaryWriter": "summary.FileWriter",
}

# Parts of TensorFlow 1.15 that thalweg leaves to Python and NumPy, or does otherwise.
INSTEAD = {
    "app": "call main() yourself", "flags": "use argparse", "logging": "use Python's logging",
    "gfile": "use pathlib and open", "data": "feed NumPy arrays: session.run(fetches, feed_dict={placeholder: array})",
    "estimator": "write the loop: session.run(train_op, feed_dict={placeholder: array})",
    "keras.layers": "use tf.layers", "GradientTape": "use tf.gradients",
    "enable_eager_execution": "fetch values by session.run", "metrics": "count in NumPy what session.run fetches",
    "train.import_meta_graph": "build the graph again by the program that saved it, then Saver.restore",
    "test": "use unittest or pytest, and tf.list_devices() for is_gpu_available",
    "GIT_VERSION": "use tf.VERSION", "COMPILER_VERSION": "use tf.VERSION", "version": "use tf.VERSION",
}


@functools.cache
def _owners():
    """{name: distributions} of the names, and of the modules above them, that the other first-party packages bring."""
    owners: dict[str, set[str]] = {}
    for heading, names in tf1.read_names("owners.txt").items():
        distribution, _, module = heading.partition(" ")
        for name in names:
            path = f"{module}.{name}" if module else name
            while path:
                owners.setdefault(path, set()).add(distribution)
                path = path.rpartition(".")[0]
    return owners


def message(name):
    """Why there is no tf.<name>, and what to do."""
    owners = sorted(_owners().get(name, ()))
    text = _install(name, owners) if owners else _near(name)
    broken = "; ".join(f"the names of plugin {plugin!r} could not be read ({type(error).__name__}: {error})"
                       for plugin, error in tables.failures.items())
    return f"{text} ({broken})" if broken else text


def import_error(name):
    """The exception for `import thalweg.<name>`.

    It is not about the module that Python looked for: `from thalweg.train import Saver` would hide it then.
    """
    package = next((p for p, d in tables.FIRST_PARTY.items() if d in _owners().get(name, ())), None)
    return ModuleNotFoundError(message(name), name=package)


def _install(name, owners):
    installed = tables.first_party_tables()
    absent = [owner for owner in owners if owner not in installed]
    if absent:
        noun = "package" if len(absent) == 1 else "packages"
        return f"tf.{name} needs the {noun} {' and '.join(absent)}: pip install {' '.join(absent)}"
    return (f"tf.{name} needs a newer {' and '.join(owners)} than the one installed: "
            f"pip install --upgrade {' '.join(owners)}")


def _near(name):
    if name in RENAMED:
        return f"There is no tf.{name}. Since TensorFlow 1.0 it is tf.{RENAMED[name]}"
    is_known = tf1.has(name) or name in INSTEAD
    near = nearest(name, likeness=0.77 if is_known else 0.6)
    hint = f"Instead: {INSTEAD[name]}" if name in INSTEAD else \
        f"The nearest that thalweg has: {', '.join('tf.' + n for n in near)}" if near else ""
    text = f"tf.{name} is a name of TensorFlow 1.15 that thalweg does not have" if is_known else \
        f"There is no tf.{name}, neither in thalweg nor in TensorFlow 1.15"
    return f"{text}. {hint}" if hint else text               # no stop: Python may add ". Did you mean: ...?"


def nearest(name, count=3, likeness=0.6):
    """Up to `count` names that we have and that `name` may mean: the same leaf elsewhere, then a like spelling.

    `likeness` is difflib's: 0 for any other spelling, 1 for the same.
    """
    import difflib
    have = tables.all_targets()
    module, _, leaf = name.rpartition(".")
    found = sorted((n for n in have if n.rpartition(".")[2] == leaf), key=lambda n: (n.count("."), n))
    beside = {n.rpartition(".")[2]: n for n in have if n.rpartition(".")[0] == module}
    found += [beside[n] for n in difflib.get_close_matches(leaf, beside, count, likeness)]
    if len(found) < count:
        found += difflib.get_close_matches(name, have, count, likeness)
    return list(dict.fromkeys(found))[:count]
