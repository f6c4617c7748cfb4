"""Who makes a variable: `variable_creator_scope` puts functions of the program before the default."""
import contextlib

from thalweg.framework.graph import get_default_graph

from .variable import Variable


def _default_creator(next_creator=None, **options):
    return Variable(**options)


@contextlib.contextmanager
def variable_creator_scope(variable_creator):
    """Inside, `variable_creator(next_creator, **options)` makes the variables of get_variable.

    It may change the options before it calls `next_creator(**options)`, or wrap what that gives.
    """
    stack = get_default_graph()._extra.setdefault("variable_creators", [])
    stack.append(variable_creator)
    try:
        yield
    finally:
        stack.remove(variable_creator)


def create(**options):
    """A new variable from the innermost creator."""
    creator = _default_creator
    for outer in get_default_graph()._extra.get("variable_creators", ()):
        creator = _chained(outer, creator)
    return creator(**options)


def _chained(creator, next_creator):
    return lambda **options: creator(next_creator, **options)
