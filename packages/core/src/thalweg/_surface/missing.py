"""What to say about a public name that no table has: the package to install, or what comes near. Imported on error."""
import fnmatch
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
    "gfile": "use pathlib and open",
    "keras.layers": "use tf.layers", "GradientTape": "use tf.gradients",
    "enable_eager_execution": "fetch values by session.run", "metrics": "count in NumPy what session.run fetches",
    "train.import_meta_graph": "build the graph again by the program that saved it, then Saver.restore",
    "test": "use unittest or pytest, and tf.list_devices() for is_gpu_available",
    "GIT_VERSION": "use tf.VERSION", "COMPILER_VERSION": "use tf.VERSION", "version": "use tf.VERSION",
    "py_function": "use tf.py_func", "nn.embedding_lookup_sparse":
    "pad the ids, then tf.nn.embedding_lookup and a weighted tf.reduce_sum",
    "profiler": "use RunOptions(trace_level=tf.RunOptions.FULL_TRACE) and RunMetadata.step_stats",
}

# Families of names, as patterns of fnmatch; a family stands for what is in its modules, too.
FAMILIES = {
    "nn.*_rnn nn.rnn_cell nn.static_*_rnn contrib.rnn contrib.cudnn_rnn":
        "write the recurrence by tf.while_loop (or tf.scan), the cell by tf.layers.dense or tf.matmul",
    "nn.ctc_* nn.nce_loss nn.sampled_softmax_loss nn.*_candidate_sampler":
        "use tf.nn.softmax_cross_entropy_with_logits over all classes, or a loss in NumPy by tf.py_func",
    "data.*": "compose the transformations that tf.data.Dataset has; Python takes part by its from_generator, and by "
              "tf.py_func in its map",
    "image": "work on images in NumPy or Pillow by tf.py_func, in the map of a tf.data.Dataset beside the training; "
             "tf.image has decoding, resizing, flips, crops, borders, brightness and contrast",
    "estimator": "write the loop: session.run(train_op, feed_dict={placeholder: array})",
    "sparse SparseTensor* sparse_* *_sparse serialize_*sparse deserialize_*sparse":
        "use dense tensors: tf.sparse.to_dense makes them of parsed features, tf.scatter_nd puts values in their "
        "places, tf.gather and tf.nn.embedding_lookup take rows",
    "ragged RaggedTensor*": "pad to dense tensors, with tf.sequence_mask",
    "train.SyncReplicasOptimizer train.Server train.ServerDef train.Cluster* train.replica_device_setter distribute "
    "contrib.distribute":
        "training over several machines would be the package thalweg-dist, which does not exist yet; one process "
        "trains by tf.Session and the optimizers of tf.train",
    "train.Monitored* train.SingularMonitoredSession train.Supervisor train.SessionManager train.Scaffold "
    "train.*Hook* train.*SessionCreator train.SessionRun* train.basic_train_loop":
        "use tf.Session, and in your loop tf.train.Saver.save and tf.summary.FileWriter.add_summary",
    "*Queue QueueBase queue train.*batch* train.*_producer train.limit_epochs train.start_queue_runners "
    "train.add_queue_runner train.QueueRunner train.queue_runner train.Coordinator train.LooperThread *Reader "
    "ReaderBase":
        "use tf.data: Dataset.from_tensor_slices or list_files, shuffle, repeat, map, batch, prefetch",
    "write_file io.write_file":
        "write what session.run fetched by Python's open",
    "decode_* io.decode_*":
        "decode in Python, by tf.py_func in the map of a tf.data.Dataset",
    "keras": "use tf.layers, tf.losses and the optimizers of tf.train",
    "linalg svd cholesky* qr matrix_* self_adjoint_eig*":
        "use numpy.linalg before the feed, or in the graph by tf.py_func, which has no gradient",
    "fft* ifft* spectral signal": "use numpy.fft before the feed, or in the graph by tf.py_func",
    "strings string_* regex_* substr reduce_join": "work on texts in Python, before the feed or by tf.py_func",
    "audio": "decode in Python and feed the samples",
    "distributions": "draw by tf.random_normal and its like, and write the density out",
    "lookup contrib.lookup tables_initializer": "look the keys up in a Python dict before the feed",
    "feature_column": "encode features in NumPy; in the graph tf.one_hot and tf.nn.embedding_lookup",
    "saved_model graph_util lite": "keep the program that builds the graph and save the variables by tf.train.Saver",
    "quantization quantize* quantized_* dequantize fake_quant_* nn.quantized_*": "compute in float32",
    "function autograph wrap_function enable_* disable_* executing_eagerly config":
        "thalweg builds graphs and runs them by sessions, as TensorFlow 1.x does without these",
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
    if tf1.has(name) or name in INSTEAD:
        return f"tf.{name} is a name of TensorFlow 1.15 that thalweg does not have. {_instead(name)}"
    near = nearest(name)
    hint = f". The nearest that thalweg has: {_listed(near)}" if near else ""
    return f"There is no tf.{name}, neither in thalweg nor in TensorFlow 1.15{hint}"   # Python may add "Did you mean"


def _instead(name):
    """What stands for a name of TensorFlow: never a name that is only spelt alike."""
    path = name
    while path:
        if path in INSTEAD:
            return f"Instead: {INSTEAD[path]}"
        for patterns, text in FAMILIES.items():
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns.split()):
                return f"Instead: {text}"
        path = path.rpartition(".")[0]
    same = _same_leaf(name) if name.startswith("contrib.") else []
    return f"The nearest that thalweg has: {_listed(same)}" if same else \
        "Nothing in thalweg stands for it"


def _listed(names):
    return ", ".join(f"tf.{name}" for name in names)


def _same_leaf(name):
    leaf = name.rpartition(".")[2]
    same = [n for n in tables.all_targets() if n.rpartition(".")[2] == leaf]
    return sorted(same, key=lambda n: (n.count("."), n))[:3]


def nearest(name, count=3, likeness=0.77):
    """Up to `count` names that we have and that `name` may mean: the same leaf elsewhere, then a like spelling of it.

    Leaves are compared, not whole names: those of one module are alike by the module's name. `likeness` is difflib's:
    0 for any other spelling, 1 for the same.
    """
    import difflib
    module, _, leaf = name.rpartition(".")
    by_leaf: dict[str, list[str]] = {}
    for other in sorted(tables.all_targets(), key=lambda n: (n.rpartition(".")[0] != module, n.count("."), n)):
        by_leaf.setdefault(other.rpartition(".")[2], []).append(other)
    beside = [other for other, names in by_leaf.items() if names[0].rpartition(".")[0] == module]
    close = difflib.get_close_matches(leaf, beside, count, 0.75 if module else likeness)
    found = by_leaf.get(leaf, []) + [by_leaf[n][0] for n in close]
    if len(found) < count:
        found += [by_leaf[n][0] for n in difflib.get_close_matches(leaf, by_leaf, count, likeness)]
    return list(dict.fromkeys(found))[:count]
