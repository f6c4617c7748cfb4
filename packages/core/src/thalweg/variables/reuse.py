"""`tf.AUTO_REUSE`: make a variable where there is none, share it where there is."""
import enum


class _ReuseMode(enum.Enum):
    """Mode for variable access within a variable scope."""

    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE
