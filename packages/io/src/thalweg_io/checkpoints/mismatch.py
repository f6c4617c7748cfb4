"""What a graph asks of a checkpoint that does not have it: said when a restore has failed."""
import difflib

from thalweg.framework import errors, shapes
from thalweg.framework.constant_value import constant_value

from .reader import open_checkpoint
from .tensor_slice import parse_spec

_MOST = 5                     # differences that are spelled out; a renamed scope would fill the screen
_MOST_PASTED = 200            # names in a program that can be pasted


def explained(error, graph, restore_name, path):
    """`error` of a failed restore with the variables named that differ, both shapes or dtypes, and what to try."""
    try:
        found, remedy = _differences(graph, restore_name, path)
    except errors.OpError:                                # a checkpoint that cannot be read has its own error
        found, remedy = [], []
    lacks = isinstance(error, errors.NotFoundError)
    if lacks and not found:                               # not a variable: one of the files is not there
        return error
    cause = ("a variable, or another key of the graph, that the checkpoint lacks" if lacks else
             "a difference between the graph and the one that was saved")
    lines = [f"Restoring from checkpoint failed. The likely cause is {cause}.", f"  got       checkpoint {path}"]
    lines += [f"  differs   {text}" for text in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"  differs   ... and {len(found) - _MOST} more")
    lines += ["  try       tf.train.list_variables(path), which tells what it holds; tf.train.Saver({name there:",
              "            variable}) restores under other names, or only a part", *remedy]
    return type(error)(error.node_def, error.op, "\n".join(lines) + f"\nOriginal error:\n\n{error.message}")


class _Wanted:
    """One assignment behind a restore op: which variable, and what of the checkpoint it is to get."""

    def __init__(self, variable, name, spec, is_reshaped):
        self.variable, self.name, self.is_reshaped = variable, name, is_reshaped
        self.whole, _ = parse_spec(spec)                  # the shape of what a part is of, or None
        self.shape = self.whole or shapes.plain(variable.get_shape())

    def difference(self, bundle, names):
        """What the checkpoint holds else, or None."""
        name, dtype = self.name, self.variable.dtype.base_dtype
        if name not in bundle:
            return f"{name} is not in the checkpoint{near(name, names)}"
        if bundle.dtype(name) != dtype:
            return f"{name} is {dtype.name} in the graph, {bundle.dtype(name).name} in the checkpoint"
        if self.fits(bundle, name):
            return None
        return (f"{name} has shape {shapes.text(self.shape)} in the graph, {shapes.text(bundle.shape(name))} in the "
                "checkpoint")

    def fits(self, bundle, name):
        """Whether the tensor `name` could be restored into the variable."""
        stored = bundle.shape(name)
        return bundle.dtype(name) == self.variable.dtype.base_dtype and (
            shapes.compatible(self.shape, stored)
            or self.is_reshaped and shapes.size_of(self.shape) in (None, shapes.size_of(stored)))


def _differences(graph, restore_name, path):
    """(a line for each variable that the checkpoint does not hold as it is in the graph, lines of what to paste)"""
    with open_checkpoint(path) as bundle:
        names = bundle.names()
        wanted = sorted(_restored(graph.get_operation_by_name(restore_name)), key=lambda item: item.name)
        texts = [item.difference(bundle, names) for item in wanted]
        other_names, missing = {}, set()
        used = {item.name for item, text in zip(wanted, texts) if not text}
        for item, text in zip(wanted, texts):
            near = [n for n in near_names(item.name, names) if n not in used and item.fits(bundle, n)]
            found = item.name if not text else near[0] if near else None
            used.add(found)
            if found is None:
                missing.add(item.variable.op.name)
            elif found != item.variable.op.name and item.whole is None:
                other_names[item.variable.op.name] = found
        is_partitioned = any(item.whole for item in wanted)
    return list(dict.fromkeys(filter(None, texts))), _paste_ready(other_names, missing, is_partitioned)


def _restored(restore):
    """What each assignment behind the operation `restore` wants."""
    stack, seen = [restore], set()
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        stack.extend(op.control_inputs)
        if op.type != "Assign":
            continue
        value, is_reshaped = op.inputs[1], False
        while value.op.type in ("Identity", "Reshape"):
            is_reshaped = is_reshaped or value.op.type == "Reshape"
            value = value.op.inputs[0]
        if value.op.type == "RestoreV2":
            stack.extend(value.op.control_inputs)
            names, specs = (constant_value(value.op.inputs[k]) for k in (1, 2))
            if names is not None and specs is not None:
                yield _Wanted(op.inputs[0], _text(names, value), _text(specs, value), is_reshaped)


def _text(strings, value):
    """The one that belongs to an output of a restore op."""
    return strings[value.value_index].decode("utf-8", "surrogateescape")


def _paste_ready(other_names, missing, is_partitioned):
    """Lines of a program that restores what fits: under the names of the checkpoint, without what it lacks."""
    if len(other_names) + len(missing) > _MOST_PASTED or is_partitioned and other_names:
        return []                                         # parts cannot be told from wholes in a dict
    lines = []
    if other_names:
        lines.append(f"names = {_wrapped(other_names)}          # in the graph: in the checkpoint")
    if missing:
        lines.append(f"missing = {_wrapped(missing)}          # not in it: these keep their initial values")
    kept = " if v.op.name not in missing" if missing else ""
    if other_names:
        lines.append("saver = tf.train.Saver({names.get(v.op.name, v.op.name): v for v in tf.global_variables()"
                     f"{kept}}})")
    else:
        lines.append(f"saver = tf.train.Saver([v for v in tf.global_variables(){kept}])")
    text = "\n".join(lines).split("\n")
    return [f"  {'or paste' if k == 0 else '':10}{line}" for k, line in enumerate(text)]


def _wrapped(items):
    """A dict or set as Python writes it, sorted, an item a line where there are many."""
    texts = [f"{key!r}: {items[key]!r}" for key in sorted(items)] if isinstance(items, dict) else \
        [repr(item) for item in sorted(items)]
    return "{" + (", " if len(texts) < 4 else ",\n    ").join(texts) + "}"


def near_names(name, names):
    """Names that end alike, as those of another scope do, or are spelled nearly so; the nearest first."""
    last = name.rpartition("/")[2]
    alike = [n for n in names if n.rpartition("/")[2] == last]
    return list(dict.fromkeys([*difflib.get_close_matches(name, alike, cutoff=0),
                               *difflib.get_close_matches(name, names)]))


def near(name, names):
    """The nearest names as the end of a sentence; "" if there are none."""
    found = near_names(name, names)[:3]
    return f", which has {', '.join(found)}" if found else ""
