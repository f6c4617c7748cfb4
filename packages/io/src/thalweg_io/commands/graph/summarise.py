"""Counts what a graph costs: operations, parameters, multiply-adds, floating-point operations, bytes of results.

A multiply-add is one product added to one sum, of convolutions and matrix products; it counts as two floating-point
operations. An elementwise op counts one for each element. Parameters are elements of variables, and of constants of
floats. Sizes that a graph leaves open can be given by --shape.
"""
import json

from thalweg.commands.console import printable, table

from ...graph_tools.summary import summary
from .source import Source, add_shapes, add_source

HELP = "count operations, parameters, multiply-adds, FLOPs and bytes of results"
_HEAD = ("op", "nodes", "parameters", "multiply-adds", "FLOPs", "bytes of results")
_FIELDS = ("parameters", "multiply_adds", "flops", "activation_bytes")


def add_arguments(parser):
    add_source(parser)
    add_shapes(parser)
    parser.add_argument("--output", action="append", metavar="NAME", help="count only what these nodes need")
    parser.add_argument("--nodes", action="store_true", help="a line per node, not per op type")
    parser.add_argument("--json", action="store_true", help="as one object")
    parser.set_defaults(func=run)


def run(options):
    outputs = [name for item in options.output for name in item.split(",")] if options.output else None
    found = summary(Source(options.graph, options.tags).graph_def, dict(options.shape), outputs)
    if options.json:
        print(json.dumps(_as_json(found), indent=1))
        return
    rows = _node_rows(found) if options.nodes else _type_rows(found)
    rows.append(("total", f"{len(found.nodes):,}", *(f"{getattr(found, field):,}" for field in _FIELDS)))
    for line in table(rows, "<>>>>>", ("node", "op", *_HEAD[2:]) if options.nodes else _HEAD):
        print(line)
    if found.unknown:
        names = ", ".join(printable(node.name) for node in found.unknown[:5])
        print(f"\n{len(found.unknown)} nodes have sizes that the graph does not say and are left out, in part or "
              f"whole: {names}{', ...' if len(found.unknown) > 5 else ''}. Give shapes of placeholders by --shape.")


def _type_rows(found):
    return [(op, *(f"{value:,}" for value in row)) for op, row in found.by_type().items()]


def _node_rows(found):
    return [(printable(node.name), node.op, *("?" if getattr(node, field) is None else f"{getattr(node, field):,}"
                                              for field in _FIELDS)) for node in found.nodes]


def _as_json(found):
    return {"operations": len(found.nodes), **{field: getattr(found, field) for field in _FIELDS},
            "unknown": [node.name for node in found.unknown],
            "types": {op: dict(zip(("nodes", *_FIELDS), row)) for op, row in found.by_type().items()},
            "nodes": [{"name": node.name, "op": node.op, "shapes": node.shapes,
                       **{field: getattr(node, field) for field in _FIELDS}} for node in found.nodes]}
