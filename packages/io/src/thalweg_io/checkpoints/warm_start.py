"""`tf.train.warm_start`: variables start from those of another model, in the order of a new vocabulary if need be."""
import logging
import re
from typing import NamedTuple

from thalweg.framework.collections import GraphKeys
from thalweg.framework.graph import get_default_graph

from .initializers import init_from_checkpoint, set_first_value
from .reader import checkpoint_path
from .remapping import Vocabulary, backup_or_zeros, remapped_matrix

logger = logging.getLogger("thalweg.io")


class VocabInfo(NamedTuple):
    """How the vocabulary of a matrix has changed since its checkpoint.

    Attributes
    ----------
    new_vocab : str             file of the new one, one entry per line
    new_vocab_size : int        how many of its lines count
    num_oov_buckets : int       rows (columns) after these for words in no vocabulary; they start anew
    old_vocab : str             file of the one that the checkpoint was made with
    old_vocab_size : int        how many of its lines count, -1 for all
    backup_initializer : callable       gives what is new; None: zeros
    axis : int                  0 if the rows are the entries, 1 if the columns are
    """

    new_vocab: str
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str
    old_vocab_size: int = -1
    backup_initializer: object = None
    axis: int = 0


class WarmStartSettings(NamedTuple):
    """The arguments of `warm_start`, as an estimator takes them; see there."""

    ckpt_to_initialize_from: str
    vars_to_warm_start: object = ".*"
    var_name_to_vocab_info: "dict | None" = None
    var_name_to_prev_var_name: "dict | None" = None


def warm_start(ckpt_to_initialize_from, vars_to_warm_start=".*", var_name_to_vocab_info=None,
               var_name_to_prev_var_name=None):
    """Makes the initializers of variables give what a checkpoint holds.

    Parameters
    ----------
    ckpt_to_initialize_from : str       a checkpoint's path, or a folder, of which the newest is taken
    vars_to_warm_start :
        str                     a regular expression for the beginning of names of trainable variables
        list of str             such expressions for all global variables
        list of Variable        a list of parts stands for a partitioned one
        None                    only those in `var_name_to_vocab_info`
    var_name_to_vocab_info : dict       name of a variable, of a partitioned one the whole's -> VocabInfo
    var_name_to_prev_var_name : dict    name of a variable -> its name in the checkpoint, where that differs

    Raises
    ------
    ValueError          where the checkpoint lacks a variable, shapes differ, or a name in the dicts has no variable
    """
    vocabularies, old_names = var_name_to_vocab_info or {}, var_name_to_prev_var_name or {}
    path = checkpoint_path(ckpt_to_initialize_from)
    grouped = _grouped(vars_to_warm_start)
    for argument, names in (("var_name_to_prev_var_name", old_names), ("var_name_to_vocab_info", vocabularies)):
        unused = sorted(set(names) - set(grouped))
        if unused:
            raise ValueError(f"You provided the following variables in {argument} that were not used: {unused}.  "
                             "Perhaps you misspelled them?  Here is the list of viable variable names: "
                             f"{sorted(grouped)}")
    logger.info("Warm-starting from: %s", path)
    plain = {}
    for name, parts in grouped.items():
        if name in vocabularies:
            _start_with_vocabulary(parts, path, old_names.get(name, name), vocabularies[name])
        elif vars_to_warm_start:
            plain[old_names.get(name, name)] = parts
    init_from_checkpoint(path, plain)


def _grouped(wanted):
    """{name, of a partitioned variable the whole's: list of parts}"""
    found: dict = {}
    for variable in _wanted(wanted):
        for part in variable if isinstance(variable, list) or hasattr(variable, "_get_variable_list") else [variable]:
            info = getattr(part, "_save_slice_info", None)
            found.setdefault(info.full_name if info else part.op.name, []).append(part)
    return found


def _wanted(wanted):
    graph = get_default_graph()
    for pattern in [wanted] if isinstance(wanted, str) else []:
        _check_pattern(pattern)
    if wanted is None or isinstance(wanted, str):
        return graph.get_collection(GraphKeys.TRAINABLE_VARIABLES, wanted)
    if isinstance(wanted, list) and all(isinstance(item, str) for item in wanted):
        for pattern in wanted:
            _check_pattern(pattern)
        return list(dict.fromkeys(v for scope in wanted for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES,
                                                                                     scope)))
    if isinstance(wanted, list) and all(hasattr(v, "initializer") or isinstance(v, list)
                                        or hasattr(v, "_get_variable_list") for v in wanted):
        return wanted
    raise ValueError("If `vars_to_warm_start` is a list, it must be all `Variable` or all `str`, and otherwise a str "
                     f"or None; it is {wanted!r}")


def _check_pattern(pattern):
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"vars_to_warm_start: {pattern!r} is no regular expression: {error}; re.escape(name) gives "
                         "that of a name") from error


def _start_with_vocabulary(parts, path, name, info):
    if not (info.new_vocab and info.new_vocab_size and info.old_vocab):
        raise ValueError(f"VocabInfo of {name} must have new_vocab, new_vocab_size and old_vocab: {info}")
    if info.axis not in (0, 1):
        raise ValueError(f"The only supported values for the axis argument are 0 and 1.  Provided axis: {info.axis}")
    shapes = [part.get_shape().as_list() for part in parts]
    if any(len(shape) != 2 for shape in shapes):
        raise ValueError(f"Currently, only support 2-dim matrices for a changed vocabulary. {name} has shape "
                         f"{shapes[0]}")
    changed = Vocabulary(info.new_vocab_size, info.new_vocab, info.old_vocab, info.old_vocab_size,
                         info.num_oov_buckets)
    rows = changed if info.axis == 0 else Vocabulary(sum(shape[0] for shape in shapes))
    for part, shape in zip(parts, shapes):
        columns = changed if info.axis == 1 else Vocabulary(shape[1])
        slice_info = part._save_slice_info
        value = remapped_matrix(path, name, rows, columns, backup_or_zeros(info.backup_initializer), shape,
                                slice_info.var_offset[0] if slice_info else 0)
        set_first_value(part, value)
