"""Copies a checkpoint under new names of its tensors; values, partitions and all other names stay.

    thalweg checkpoint rename old.ckpt new.ckpt --map w=dense/kernel --regex '^tower_0/' ''
"""
import argparse
import re

from thalweg.commands import console
from thalweg.framework import errors

from . import copy
from .source import Source

HELP = "write a copy with other names of tensors"


def add_arguments(parser):
    copy.add_arguments(parser)
    parser.add_argument("--map", action="append", default=[], type=_pair, metavar="OLD=NEW", help="one name")
    parser.add_argument("--regex", action="append", default=[], nargs=2, metavar=("PATTERN", "NEW"),
                        help=r"what of a name fits PATTERN becomes NEW, \1 a group of it; after --map, in their order")
    parser.add_argument("--drop", action="append", default=[], metavar="GLOB",
                        help="tensors to leave out, by their old names")
    parser.add_argument("--dry-run", action="store_true", help="print the new names, write nothing")
    parser.set_defaults(func=run)


def _pair(text):
    old, is_pair, new = text.partition("=")
    if not (is_pair and old and new):
        raise argparse.ArgumentTypeError(f"{text!r} is not OLD=NEW")
    return old, new


def run(options):
    rules = [(_compiled(pattern, new), new) for pattern, new in options.regex]
    with Source(options.source) as source:
        dropped = set(source.matching(options.drop)) if options.drop else set()
        for old, _ in options.map:
            source.require(old)
        names = {name: new_name(name, dict(options.map), rules) for name in source.names() if name not in dropped}
        format_ = source.format
    changed = {old: new for old, new in names.items() if old != new}
    if not changed and not dropped:
        raise errors.InvalidArgumentError(None, None, "no name would change; give --map, --regex or --drop")
    copy.check_names(names)
    for line in console.table([(console.printable(old), "->", console.printable(new))
                               for old, new in changed.items()], "<<<"):
        print(line)
    if not options.dry_run:
        print(f"{copy.copied(options, format_, names)}, {len(changed):,} renamed, {len(dropped):,} left out")


def new_name(name, by_name, rules):
    """What a tensor is to be named: by its whole name first, then by the patterns in turn."""
    name = by_name.get(name, name)
    for pattern, new in rules:
        name = pattern.sub(new, name)
    return name


def _compiled(pattern, new):
    try:
        compiled = re.compile(pattern)
        re.compile(pattern + "|").sub(new, "")                        # an empty match tries the groups of `new`
        return compiled
    except (re.error, IndexError) as error:
        raise errors.InvalidArgumentError(None, None, f"--regex {pattern!r} {new!r}: {error}") from error
