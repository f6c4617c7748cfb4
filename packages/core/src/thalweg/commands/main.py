"""The `thalweg` command: parses, runs the command that is asked for, tells errors in a line, gives the exit status.

    0    done, and nothing to complain of
    1    done, and a difference or damage found; each command says when it gives this
    2    not done: usage, a file that is missing or cannot be read, a package that is not installed
    3    a defect of ours, with its traceback
    130, 141    interrupted (Ctrl-C); whoever read the output has gone, as `head` does
"""
import argparse
import importlib
import os
import re
import signal
import sys
import traceback

import thalweg
from thalweg._surface import tables
from thalweg.framework.errors import OpError, ThalwegError

from . import registry
from .console import FAILED, OK, printable

DEFECT, INTERRUPTED, UNREAD = 3, 130, 141

_EPILOG = "Exit status: 0 done, 1 a difference or damage was found, 2 it could not be done."


def run():
    """The console script: ends the process as the shell expects, by the signal itself after Ctrl-C."""
    status = main()
    if status == INTERRUPTED and os.name == "posix":
        signal.signal(signal.SIGINT, signal.SIG_DFL)                  # so that a loop in a script stops, too
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(status)


def main(arguments=None):
    """Runs the command line `arguments` (those of the process by default); gives the exit status.

    Raises
    ------
    SystemExit      as argparse does: after --help and --version, and for a wrong usage, status 2
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            status = _run(arguments)
        except SystemExit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()                                            # here, where a closed pipe is still understood
        return status
    except BrokenPipeError:
        _forget_stdout()
        return UNREAD
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments):
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")             # names in a terminal without UTF-8
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    options = _parser(asked).parse_args(arguments)
    if asked is None:
        print(_overview())
        return OK
    try:
        return options.func(options) or OK
    except BrokenPipeError:
        raise
    except (OpError, ThalwegError, OSError, MemoryError, ModuleNotFoundError) as error:
        return _failed(options, f"thalweg {asked}: {one_line(error)}")
    except Exception:
        traceback.print_exc()
        print(f"thalweg {asked}: this is a defect of thalweg; please report the lines above", file=sys.stderr)
        return DEFECT


def _overview():
    """The version, the packages, the devices, the commands: what `thalweg` alone prints."""
    from thalweg import devices  # opens them
    there, installed = devices.list_devices(), tables.first_party_tables()
    plugins = sorted({row.package for row in there} - {"", "thalweg-core", *tables.FIRST_PARTY.values()})
    packages = "\n".join(f"  {name}: {'installed' if name in [*installed, *plugins] else f'pip install {name}'}"
                         for name in [*tables.FIRST_PARTY.values(), *plugins])
    return f"thalweg {thalweg.__version__}\n{packages}\n\n{there}\n\n{_list_of_commands('thalweg ')}"


def _failed(options, line):
    if options.traceback:
        traceback.print_exc()
    print(line, file=sys.stderr)
    return FAILED


def one_line(error):
    """The message of an error as one line."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError):
        text = f"not enough memory: {text}"
    return printable(re.sub(r"\s*\n\s*", "; ", text.strip()))


def _forget_stdout():
    """So that the interpreter's own flush at exit finds somebody to write to."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


# --- the parser -------------------------------------------------------------------------------------

def _parser(asked):
    """The parser of the whole command line, of which only the command `asked` is imported."""
    parser = argparse.ArgumentParser(prog="thalweg", usage="%(prog)s [-h] [--version] [--traceback] COMMAND ...",
                                     description="Tools for files, devices and ops of thalweg.", epilog=_EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"thalweg {thalweg.__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    subparsers = parser.add_subparsers(title="commands", prog="thalweg", help=argparse.SUPPRESS,
                                       description=None if asked else _list_of_commands())
    if asked is not None:
        _add_command(parser, subparsers, asked)
    return parser


def _list_of_commands(before=""):
    """A line per command: what it does, or how to install it."""
    commands = registry.all_commands()
    width = max(map(len, commands))
    return "\n".join(f"{before}{name:<{width}}  {registry.summary_of(name, module)}"
                     for name, module in commands.items())


def _add_command(parser, subparsers, asked):
    module = registry.module_of(asked)
    if module is not None:
        importlib.import_module(module).add_parser(subparsers)
        return
    how = registry.how_to_install(asked)
    if how:
        parser.error(f"{asked} is not installed: {how}")
    parser.error(f"there is no command {printable(asked)!r}; there are {', '.join(registry.all_commands())}")
