"""`thalweg graph`: shows, counts, freezes and converts graphs.

One module per subcommand, each with `add_arguments(parser)`, which sets `func`, and `HELP`. `source` reads whatever
a path names.
"""
import argparse

from . import convert, freeze, show, summarise

_FILES = """A graph is given as a file .pb or .pbtxt with a GraphDef, a .meta file, a checkpoint's prefix, the
folder of a SavedModel, or (to show) an .onnx file."""


def add_parser(subparsers):
    """Adds the command to the parser of `thalweg`."""
    parser = subparsers.add_parser("graph", description=__doc__.partition(": ")[2].partition("\n")[0])
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (show, summarise, freeze, convert):
        name = module.__name__.rpartition(".")[2]
        action = actions.add_parser(name, help=module.HELP, description=f"{module.__doc__}\n\n{_FILES}",
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(action)
