"""`thalweg checkpoint`: lists, shows, compares, renames, converts and verifies checkpoints.

One module per subcommand, each with `add_arguments(parser)`, which sets `func`, and `HELP`. `source` opens whatever
a path names, `target` writes, `copy` goes from one to the other, one tensor at a time.
"""
import argparse

from .. import progress
from . import convert, diff, list, rename, show, verify

_FILES = """A checkpoint is given as its prefix (model.ckpt-100), as one of its files, or as a folder, whose
newest one it is then. V1, V2 (sharded ones, too), .safetensors and .npz are read."""


def add_parser(subparsers):
    """Adds the command to the parser of `thalweg`."""
    parser = subparsers.add_parser("checkpoint", description=__doc__.partition(": ")[2].partition("\n")[0])
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (list, show, diff, rename, convert, verify):
        name = module.__name__.rpartition(".")[2]
        action = actions.add_parser(name, help=module.HELP, description=f"{module.__doc__}\n\n{_FILES}",
                                    epilog=progress.hint(), formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(action)
