"""`thalweg card`: what is declared of an op; without one, the list of ops."""
from thalweg import card


def add_parser(subparsers):
    parser = subparsers.add_parser("card", description="Prints what is declared of an op.")
    card.add_arguments(parser)
    parser.set_defaults(func=card.run)
