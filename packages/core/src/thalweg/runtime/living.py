"""Objects that others keep alive."""
from weakref import WeakValueDictionary


class Living:
    """A set of weak references that one thread may go through while another adds to it; a WeakSet raises then."""

    def __init__(self):
        self._refs = WeakValueDictionary()

    def add(self, item):
        self._refs[id(item)] = item

    def __iter__(self):
        found = [ref() for ref in self._refs.valuerefs()]
        return iter([item for item in found if item is not None])
