"""FunctionEngine: runs function graphs beside a session's runs, in threads of its own, as input pipelines do."""
import copy

from .engine import Engine


class FunctionEngine(Engine):
    """Runs function graphs of a session's graph in one thread, on the session's variables.

    Plans and generators are its own, so that several of them run one function at the same time. How far the seeded
    random ops have drawn can be read and set, so that they draw together what one of them would draw alone.

    Parameters
    ----------
    session : Engine        the session's

    Attributes
    ----------
    drawn : dict            operation -> count of blocks that it has drawn; 0 where it is missing
    """

    def __init__(self, session):
        config = copy.copy(session.config)
        config.intra_op_parallelism_threads = 1
        super().__init__(session.graph, config)
        self.shared, self.variables, self.resources = session.shared, session.variables, session.resources
        self._resources_lock = session._resources_lock
        self._drawn = {}

    def call(self, elements, fed, arrays):
        """The values of the tensors `elements`, as arrays whatever their rank, with `arrays` in the place of `fed`."""
        self.shared.check_open()
        program, arrays = self._program(elements, fed, list(arrays), None)
        return program.run(arrays)

    @property
    def drawn(self):
        return {**self._drawn, **{op: rng.drawn for op, rng in self._rngs.items() if _is_seeded(op.attrs)}}

    @drawn.setter
    def drawn(self, counts):
        self._drawn = counts
        for op, rng in self._rngs.items():
            if _is_seeded(op.attrs):
                rng.drawn = counts.get(op, 0)

    def _new_rng(self, op, attrs):
        rng = super()._new_rng(op, attrs)
        if _is_seeded(attrs):
            rng.drawn = self._drawn.get(op, 0)
        return rng


def _is_seeded(attrs):
    return bool(attrs["seed"] or attrs["seed2"])
