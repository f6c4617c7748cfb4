"""An op's card: everything that is declared of it, on one page.

    python -m thalweg.card Conv2D          one op
    python -m thalweg.card                 the list of ops
"""
import argparse
import importlib
import inspect
import pathlib
import re
import sys
import textwrap

import thalweg
from thalweg import devices, ops
from thalweg._surface import tables
from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY, declaration_of

_SOURCE = pathlib.Path(thalweg.__file__).parent


def card(op_type):
    """The card of an op type, a text; NotFoundError names near ones."""
    op = declaration_of(op_type)
    rows = [("signature", op.signature), ("types", _types(op)), ("attributes", _attributes(op)),
            ("kind", _kind(op)), ("public names", _public_names(op)), ("shapes", _shape_rule(op)),
            ("gradient", _gradient(op)), ("kernels", _kernels(op)), ("declared at", _place(op.body)),
            ("test rows", _test_rows(op))]
    body = "\n".join(_row(label, text) for label, text in rows if text)
    return f"{op.name}\n{textwrap.indent(inspect.cleandoc(op.__doc__ or 'No description.'), '  ')}\n\n{body}"


def _row(label, text):
    first, *rest = text.splitlines()
    return "\n".join([f"  {label:<14}{first}", *(" " * 16 + line for line in rest)])


def _types(op):
    return "\n".join(f"{letter}: {'any' if allowed is None else ' '.join(d.name for d in allowed)}"
                     for letter, allowed in op.letters.items())


def _attributes(op):
    return "\n".join(f"{a.name}: {a.type}" + ("" if a.is_required else f" = {a.default!r}")
                     for a in op.attributes.values())


def _kind(op):
    words = [op.kind] + ["stateful"] * op.is_stateful + ["random"] * op.is_random
    return ", ".join(words)


def _public_names(op):
    """The public functions that are the op, or whose code names it."""
    found = []
    for name, target in tables.all_targets().items():
        module, _, attribute = target.partition(":")
        if module.startswith(ops.__name__ + ".") and module in sys.modules:
            value = getattr(sys.modules[module], attribute)
            if value is op or _mentions(value, op):
                found.append(f"tf.{name}")
    return textwrap.fill(" ".join(sorted(found, key=lambda name: (name.count("."), name))), 100)


def _mentions(function, op):
    """Whether a function's code or what it is closed over names the op."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    closed_over = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [function.__globals__.get(name) for name in code.co_names]
    return any(value is op for value in closed_over + named)


def _shape_rule(op):
    if op.shape_rule is not None:
        return f"{op.shape_rule.__name__}, {_place(op.shape_rule)}"
    return "inputs broadcast" if op.kind == "elementwise" else "from the signature"


def _gradient(op):
    if op.has_gradient:
        return f"{op.gradient_rule.__name__}, {_place(op.gradient_rule)}"
    return f"none: {op.no_gradient_reason}"


def _kernels(op):
    """One line per kind of device that declarations name kernels for, then which devices are asked for theirs."""
    named = {kind for other in REGISTRY.values() for kind in other.kernels}
    there = dict.fromkeys(row.device_type for row in devices.list_devices() if row.state == "open")
    asked = [device for device in there if device.lower() not in named]
    lines = [f"{device}: {_kernel(op, device)}" for device in there if device.lower() in named]
    return "\n".join(lines + [f"{', '.join(asked)}: asked when a plan is made"] * bool(asked))


def _kernel(op, device):
    name = op.kernels.get(device.lower())
    if name is None:
        return "none; its reference body runs"
    module, _, function = name.partition(":")
    module = f"thalweg.{device.lower()}.{module}"
    try:
        prepare = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        return f"{module}.{function} (missing: {error}), so the reference body"
    about = (prepare.__doc__ or "").strip().partition("\n")[0]
    return f"{module}.{function}" + (f"  {about}" if about else "")


def _place(function):
    """File and line, relative to the package where it is our own."""
    code = inspect.unwrap(function).__code__
    path = pathlib.Path(code.co_filename)
    inside = path.relative_to(_SOURCE.parent) if path.is_relative_to(_SOURCE.parent) else path
    return f"{inside}:{code.co_firstlineno}"


def _test_rows(op):
    """The rows of the op tables, and of the tests of a checkout, that use the op by its public names or its own."""
    names = {name.rpartition(".")[2] for name in _public_names(op).split()} | {op.__name__, op.name}
    is_row = re.compile(rf"\b(?:Row|Bad)\(\s*(?:[\w.]+\.)?(?:{'|'.join(map(re.escape, names))})\b.*")
    files = [*(_SOURCE / "testing/tables").glob("*.py"), *(_SOURCE.parents[1] / "tests").rglob("test_*.py")]
    found = [f"{path.parent.name}/{path.name}:{number}: {line.strip()}" for path in sorted(files)
             for number, line in enumerate(path.read_text().splitlines(), 1) if is_row.search(line)]
    return "\n".join(found) or "none"


def index():
    """The op types by file of declaration, a text."""
    by_file: dict[str, list[str]] = {}
    for name, op in sorted(REGISTRY.items()):
        by_file.setdefault(op.__module__, []).append(name)
    lines = []
    for module, names in sorted(by_file.items()):
        lines += [module, textwrap.indent(textwrap.fill(" ".join(names), 110), "  ")]
    return "\n".join(lines)


def main(arguments=None):
    """Prints the card of each op type in the arguments, or the list of ops."""
    parser = argparse.ArgumentParser(prog="python -m thalweg.card", description="Prints what is declared of an op.")
    add_arguments(parser)
    try:
        run(parser.parse_args(arguments))
    except errors.NotFoundError as error:
        parser.exit(1, f"{error}\n")


def add_arguments(parser):
    parser.add_argument("op_type", nargs="*", metavar="OP", help="Conv2D, MatMul, ...; none: the list of ops")


def run(options):
    """What is done for the parsed arguments; NotFoundError names ops that come near."""
    print("\n\n".join(map(card, options.op_type)) or index())


if __name__ == "__main__":
    main()
