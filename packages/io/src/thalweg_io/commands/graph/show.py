"""Shows the nodes of a graph with the shapes of their results, or its name scopes as a tree."""
import fnmatch
import json

from thalweg.commands.console import printable, table

from ...graph_tools import listing
from ...graph_tools.summary import summary
from .source import Source, add_shapes, add_source

HELP = "list the nodes, or a tree of name scopes"


def add_arguments(parser):
    add_source(parser)
    add_shapes(parser)
    parser.add_argument("filter", nargs="?", default="*", metavar="GLOB", help="names of nodes, as in 'layer1/*'")
    parser.add_argument("--tree", action="store_true", help="name scopes, with what is in them")
    parser.add_argument("--depth", type=int, help="levels of the tree")
    parser.add_argument("--op", help="only nodes of this op type, as in 'Conv*'")
    parser.add_argument("--json", action="store_true", help="one object per node")
    parser.set_defaults(func=run)


def run(options):
    nodes = [node for node in _nodes(options) if fnmatch.fnmatchcase(node.name, options.filter)
             and (not options.op or fnmatch.fnmatchcase(node.op, options.op))]
    if options.json:
        print(json.dumps([{"name": n.name, "op": n.op, "shapes": n.shapes} for n in nodes], indent=1))
    elif options.tree:
        for line in listing.scope_tree(nodes, options.depth):
            print(printable(line))
    else:
        for line in table([tuple(map(printable, row)) for row in listing.node_rows(nodes)] or [("(no nodes)", "", "")],
                          "<<<"):
            print(line)


def _nodes(options):
    if options.graph.endswith(".onnx"):
        from ...onnx.reading import nodes_of_file
        return nodes_of_file(options.graph)
    source = Source(options.graph, options.tags)
    return summary(source.graph_def, dict(options.shape)).nodes
