"""Which commands there are, and which module each is.

A command is a module that has

* `add_parser(subparsers)`: adds an argparse parser of the command's name and sets its default `func`, a function of
  the parsed arguments that gives the exit status (None is 0);
* a docstring whose first line is the help: "`thalweg NAME`: what it does." It is read without running the module, so
  that `thalweg --help` imports no command.

Commands of the core and of the first-party packages stand in tables, `PACKAGE.commands.COMMANDS`, found by import name
as those of the public names are: without a scan, and in a checkout. Any other package announces its commands in the
entry-point group `thalweg.commands`: the entry's name is the command's, its value the module.
"""
import ast
import importlib
import importlib.util

from thalweg._surface.tables import FIRST_PARTY

GROUP = "thalweg.commands"
CORE = {"devices": "thalweg.commands.devices", "card": "thalweg.commands.card"}
OWNERS = {"checkpoint": "thalweg_io", "graph": "thalweg_io"}      # who brings what: for the hint where it is missing


def module_of(name):
    """The import name of a command's module; None where no package has such a command."""
    return CORE.get(name) or _first_party().get(name) or _announced().get(name)


def all_commands():
    """{command: import name of its module, or None where it is not installed}, in the order of the help."""
    return {**dict.fromkeys([*CORE, *OWNERS]), **_announced(), **_first_party()}


def how_to_install(name):
    """The pip command that brings a missing command; None where no package of ours has it."""
    package = OWNERS.get(name)
    if package is None:
        return None
    is_old = importlib.util.find_spec(package) is not None
    return f"pip install {'--upgrade ' if is_old else ''}{FIRST_PARTY[package]}"


def summary_of(name, module):
    """What a list of commands says of one: its help, or how to install it."""
    return how_to_install(name) if module is None else help_of(module)


def help_of(module):
    """The first line of a module's docstring after "`thalweg NAME`: ", without importing the module itself."""
    try:
        spec = importlib.util.find_spec(module)                       # imports the packages above it
        if spec is None:
            raise ModuleNotFoundError(f"there is no module {module}")
        source = spec.loader.get_source(module)
        text = ast.get_docstring(ast.parse(source)) or ""
    except Exception as error:                                        # theirs must not break ours
        return f"cannot be used ({type(error).__name__}: {error})"
    first = text.partition("\n")[0].rstrip(".")
    return first.partition(": ")[2] if first.startswith("`") else first


def _first_party():
    found = dict(CORE)
    for package in FIRST_PARTY:
        try:
            found.update(importlib.import_module(package + ".commands").COMMANDS)
        except ModuleNotFoundError as error:
            if error.name not in (package, package + ".commands"):
                raise                                                 # installed but broken: the user must see it
    return found


def _announced():
    from importlib.metadata import entry_points
    return {point.name: point.value for point in entry_points(group=GROUP)}
