"""The compiled sources of a card as the driver's modules, each loaded once, and unloaded some time after its use."""
import weakref

MOST_IDLE = 256                          # modules that nobody uses, kept for the next plan that has such kernels


class Programs:
    """Functions by source and entry.

    A module stays loaded as long as one of its users lives: recordings hold its functions, and die before the kernels
    that were recorded.

    Parameters
    ----------
    card : Card
    compiler : Compiler
    """

    def __init__(self, card, compiler):
        self._card, self._compiler = card, compiler
        self._programs = {}              # source -> _Program, in the order of their last preparation

    def __len__(self):
        """Count of the sources that are in use, or are kept."""
        return len(self._programs)

    def prepare(self, source, user):
        """Has a source compiled, by another thread; its module stays as long as `user` lives."""
        with self._card.lock:
            self._programs[source] = program = self._programs.pop(source, None) or _Program()
            program.users.add(user)
        return self._compiler.submit(source, self._card.target.capability)

    def function(self, source, entry):
        """The driver's function of a source that its user has prepared; waits for the compiler."""
        with self._card.lock:
            program = self._programs[source]
            found = program.functions.get(entry)
        if found is not None:
            return found
        image = self._compiler.submit(source, self._card.target.capability).result()
        with self._card.lock, self._card.context:
            if program.module is None:
                self._unload_idle()
                program.module = self._card.driver.module_from_buffer(image)
            found = program.functions[entry] = program.module.get_function(entry)
        return found

    def _unload_idle(self):
        """Unloads modules that nobody uses where there are too many, down to half of what is kept: seldom."""
        idle = [source for source, program in self._programs.items() if not program.users]
        if len(idle) > MOST_IDLE:
            self._card.free_dropped()    # recordings that hold their functions
            self._card.streams.compute.synchronize()
            for source in idle[:len(idle) - MOST_IDLE // 2]:
                del self._programs[source]               # and PyCUDA unloads it, in this context

    def close(self):
        """Unloads the modules."""
        self._programs.clear()


class _Program:
    """A source's module, None before its first function, and who uses it."""

    def __init__(self):
        self.module, self.functions, self.users = None, {}, weakref.WeakSet()
