"""Error classes, named as in TensorFlow 1.x, and the form that our messages have.

A message names the op, what came, what was expected, what to try, and the user's line (style.md, section 6).
"""


class ThalwegError(Exception):
    """Base of the errors that thalweg raises while a graph is built."""


class ShapeError(ThalwegError, ValueError):
    """Shapes do not fit the op."""


class DTypeError(ThalwegError, TypeError):
    """A dtype does not fit the op."""


class ConversionError(DTypeError, ValueError):
    """A tensor or a variable has another dtype than was asked for; TensorFlow raises ValueError here."""


class Misfit(ValueError):
    """What a shape rule raises to say more than a plain ValueError: the ShapeError that names op and line tells it.

    Attributes
    ----------
    expected, hint : str or None      the rows "expected" and "try" of the message
    """

    def __init__(self, problem, expected=None, hint=None):
        super().__init__(problem)
        self.expected, self.hint = expected, hint


class OpDeclarationError(ThalwegError):
    """An op is declared incompletely or twice; a mistake of the one who declares it."""


class OpError(ThalwegError):
    """Base of the errors that a run can raise, as `tf.OpError`.

    Attributes
    ----------
    op : Operation or None    the failing operation, where one is known
    message : str             what went wrong
    error_code : int          the canonical code, `tf.errors.INVALID_ARGUMENT` = 3 and so on
    op_name : str or None     by which a device says in whose work it went wrong (docs/devices.md, section 4)
    """

    error_code = 2
    op_name = None

    def __init__(self, node_def, op, message, error_code=None):
        super().__init__(message)
        self._node_def, self.op, self.message = node_def, op, message
        if error_code is not None:
            self.error_code = error_code

    @property
    def node_def(self):
        """The NodeDef message of the failing operation (needs thalweg-io); None where none is known."""
        return self.op.node_def if self._node_def is None and self.op is not None else self._node_def

    def __str__(self):
        return self.message

    def __reduce__(self):
        """For other processes: the operation stays behind with its graph, the message says which one it was."""
        return _without_init, (type(self), self.args), {**self.__dict__, "_node_def": None, "op": None}


def _without_init(cls, args):
    error = cls.__new__(cls)
    error.args = args
    return error


OK = 0
CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS = 1, 2, 3, 4, 5, 6
PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE = 7, 8, 9, 10, 11
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = 12, 13, 14, 15, 16


class CancelledError(OpError):
    error_code = CANCELLED


class UnknownError(OpError):
    error_code = UNKNOWN


class InvalidArgumentError(OpError, ValueError):
    error_code = INVALID_ARGUMENT


class DeadlineExceededError(OpError, TimeoutError):
    error_code = DEADLINE_EXCEEDED


class NotFoundError(OpError):
    error_code = NOT_FOUND


class AlreadyExistsError(OpError):
    error_code = ALREADY_EXISTS


class PermissionDeniedError(OpError):
    error_code = PERMISSION_DENIED


class ResourceExhaustedError(OpError):
    error_code = RESOURCE_EXHAUSTED


class FailedPreconditionError(OpError):
    error_code = FAILED_PRECONDITION


class AbortedError(OpError):
    error_code = ABORTED


class OutOfRangeError(OpError):
    error_code = OUT_OF_RANGE


class UnimplementedError(OpError):
    error_code = UNIMPLEMENTED


class InternalError(OpError):
    error_code = INTERNAL


class UnavailableError(OpError):
    error_code = UNAVAILABLE


class DataLossError(OpError):
    error_code = DATA_LOSS


class UnauthenticatedError(OpError):
    error_code = UNAUTHENTICATED


BY_CODE = {cls.error_code: cls for cls in OpError.__subclasses__()}


def exception_type_from_error_code(error_code):
    """The error class of a canonical code, as `tf.errors.exception_type_from_error_code`."""
    return BY_CODE[error_code]


def error_code_from_exception_type(cls):
    """The canonical code of an error class."""
    return cls.error_code


_OF_FUNCTIONS = ((StopIteration, OutOfRangeError), (MemoryError, ResourceExhaustedError),
                 (NotImplementedError, UnimplementedError),
                 ((TypeError, ValueError), InvalidArgumentError))                          # as TensorFlow's py_func
_OF_BODIES = (*_OF_FUNCTIONS, ((IndexError, KeyError, ArithmeticError), InvalidArgumentError))


def of_python(node, error):
    """What Python code raised at a plan's node: its own OpError, with op and line; else the nearest of our classes."""
    return _of_python(node.op_type, node.name, node.source, error)


def of_operation(op, error):
    """As `of_python`, for what a graph's operation raised outside of any plan."""
    return _of_python(op.type, op.name, op, error)


def of_device(problem, error):
    """What a device in Python raised, with `problem`, which names the device and what it was asked for, before it.

    Our own errors tell that themselves. `op_name`, where the device says in whose work it went wrong, is kept.
    """
    if isinstance(error, ThalwegError):
        return error
    told = _class_for(error, _OF_BODIES)(None, None, f"{problem}: {type(error).__name__}: {error}")
    told.op_name = getattr(error, "op_name", None)
    return told


def _class_for(error, table):
    return next((cls for kinds, cls in table if isinstance(error, kinds)), UnknownError)


def _of_python(op_type, name, source, error):
    frame = source.frame if source is not None else None
    if isinstance(error, OpError):
        if error.op is None:
            error.op = source
            if "built at" not in error.message:
                error.message = explain(f"{error.message}\n\t [[{op_type} {name!r}]]", built_at=frame)
        return error
    table = _OF_FUNCTIONS if op_type in ("PyFunc", "PyFuncStateless") else _OF_BODIES
    text = explain(f"{type(error).__name__}: {error}\n\t [[{op_type} {name!r}]]", built_at=frame)
    return _class_for(error, table)(None, source, text)


def explain(problem, got=None, expected=None, hint=None, built_at=None, **rows):
    """The text of an error: `problem`, then aligned rows of what is known.

    Rows without a value are left out. `built_at` is a `Frame` or its text; further keyword rows are
    printed under their own names, underscores as blanks.
    """
    lines = {"got": got, "expected": expected, **{k.replace("_", " "): v for k, v in rows.items()},
             "try": hint, "built at": built_at}
    text = [problem] + [f"  {label:<9} {value}" for label, value in lines.items() if value]
    return "\n".join(text)


def size_text(nbytes):
    """A count of bytes with its unit: 1536 is "1.5 KiB"."""
    power = min(max(int(nbytes).bit_length() - 1, 0) // 10, 6)
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")[power]
    return f"{nbytes / 1024 ** power:.{1 if power else 0}f} {unit}"
