"""A value that a step has found but not read: an assignment reads it straight into its variable's memory."""


class StoredValue:
    """What a body may give in the place of a large array; a subclass says how it is read.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    LEAST_BYTES = 1 << 20             # for less, an array is quicker

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype

    def read_into(self, array):
        """Fills `array`, a dense one of this shape and dtype.

        What makes a value unfit is to be told before it is given: an error in here leaves the array half filled.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read_into(array)")
