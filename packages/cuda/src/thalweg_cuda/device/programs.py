"""The compiled sources of a card as the driver's modules, each loaded once."""


class Programs:
    """Functions by source and entry.

    Parameters
    ----------
    card : Card
    compiler : Compiler
    """

    def __init__(self, card, compiler):
        self._card, self._compiler = card, compiler
        self._modules, self._functions = {}, {}

    def prepare(self, source):
        """Has a source compiled, by another thread."""
        return self._compiler.submit(source, self._card.target.capability)

    def function(self, source, entry):
        """The driver's function; waits for the compiler."""
        found = self._functions.get((source, entry))
        if found is not None:
            return found
        image = self.prepare(source).result()
        with self._card.lock, self._card.context:
            module = self._modules.get(source)
            if module is None:
                module = self._modules[source] = self._card.driver.module_from_buffer(image)
            found = self._functions[source, entry] = module.get_function(entry)
        return found

    def close(self):
        """Unloads the modules."""
        self._functions.clear()
        self._modules.clear()
