"""`thalweg devices`: all devices, with the reasons for those that cannot be used."""
from thalweg.devices import __main__ as probe


def add_parser(subparsers):
    parser = subparsers.add_parser("devices", description=f"{__doc__.partition(': ')[2]} Exit status 1: with "
                                                          "--isolate, a plugin crashed or hung.")
    probe.add_arguments(parser)
    parser.set_defaults(func=probe.run)
