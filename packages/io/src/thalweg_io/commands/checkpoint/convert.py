"""Writes a checkpoint in another format: v1, v2, safetensors or npz, every dtype that both know."""
from thalweg.framework import errors

from . import copy, source, target

HELP = "V1, V2, safetensors and npz into each other"


def add_arguments(parser):
    copy.add_arguments(parser)
    source.add_filter(parser)
    parser.add_argument("--to", choices=target.FORMATS, help="the format; by default what the end of DST says")
    parser.set_defaults(func=run)


def run(options):
    format_ = options.to or target.format_of(options.target)
    if format_ is None:
        raise errors.InvalidArgumentError(None, None, f"the end of {options.target} tells no format: give --to v1 or "
                                                      "--to v2")
    if format_ in ("v1", "v2") and target.format_of(options.target):
        raise errors.InvalidArgumentError(None, None, f"{options.target} is to be {format_}, and would be read as "
                                                      "what its end says: name it otherwise")
    with source.Source(options.source) as tensors:
        names = tensors.matching(options.only)
    print(copy.copied(options, format_, dict(zip(names, names))))
