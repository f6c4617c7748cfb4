"""Copying tensors from a source to a target, one at a time: names changed, partitions kept or joined."""
from thalweg.commands import console
from thalweg.framework import errors

from .. import progress
from . import target
from .source import Source
from .text import bytes_text, count_text


def add_arguments(parser):
    """The options that rename and convert have in common."""
    parser.add_argument("source", metavar="SRC")
    parser.add_argument("target", metavar="DST", help="the prefix or file to write")
    parser.add_argument("--partitions", choices=["keep", "join"], default="keep",
                        help="what becomes of partitioned variables (kept; .safetensors and .npz know none)")
    parser.add_argument("--overwrite", action="store_true", help="replace DST, if it exists, in one step")


def copied(options, format_, new_names):
    """Writes the target; gives a line that says what was written.

    Parameters
    ----------
    format_ : str            of the target
    new_names : dict         name in the source -> name in the target, for all tensors that are to be copied

    Raises
    ------
    AlreadyExistsError       if the target is there and not to be overwritten
    InvalidArgumentError     if two tensors would have one name
    UnimplementedError       if the target's format does not know a dtype or partitions
    """
    check_names(new_names)
    if target.exists(options.target) and not options.overwrite:
        raise errors.AlreadyExistsError(None, None, f"{options.target} exists; --overwrite replaces it")
    with Source(options.source) as source:
        is_joined = options.partitions == "join"
        target.check(source, format_, new_names, is_joined)
        total = sum(source.nbytes(name) or 0 for name in new_names)
        with progress.bar("writing", total) as advance:
            target.write(options.target, format_, _tensors(source, new_names, is_joined, advance))
    return (f"{console.printable(options.target)}: {format_}, {count_text(len(new_names), 'tensor')}, "
            f"{bytes_text(total)}")


def check_names(new_names):
    """Raises InvalidArgumentError if two tensors would have the same new name, or one would have none."""
    seen: dict = {}
    for old, new in new_names.items():
        if not new:
            raise errors.InvalidArgumentError(None, None, f"nothing would be left of the name {old!r}")
        if seen.setdefault(new, old) != old:
            raise errors.InvalidArgumentError(None, None, f"{seen[new]!r} and {old!r} would both be named {new!r}")


def _tensors(source, new_names, is_joined, advance):
    """Yields a target.Tensor for each, in the order of the new names, that of a Saver."""
    for new, old in sorted((new, old) for old, new in new_names.items()):
        yield target.Tensor(new, source, old, [] if is_joined else source.slices(old))
        advance(source.nbytes(old) or 0)
