"""The parts of a workspace, one after the other."""
from thalweg_cuda.work import workspace

_ALIGN = 256


class Workspace:
    """Gives out places; `nbytes` is what all of them need."""

    def __init__(self):
        self.nbytes = 0

    @property
    def end(self):
        """The place behind all parts."""
        return workspace(self.nbytes)

    def take(self, nbytes):
        """The Operand of a part of so many bytes."""
        place = workspace(self.nbytes)
        self.nbytes += -(-nbytes // _ALIGN) * _ALIGN
        return place
