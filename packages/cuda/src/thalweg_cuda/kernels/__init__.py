"""Kernels by op type. Each module of this package holds a family; nothing here knows a driver.

    @kernel("Softplus")
    def softplus(request, target): ...          # gives a Work, or raises Unsupported("why")

`request` is core's KernelRequest: op_type, attrs, in_shapes, out_shapes, in_dtypes, out_dtypes (DataType numbers),
values (number of a constant input -> array).
"""
import functools
import importlib
import pkgutil

from thalweg_cuda.work import Unsupported, Work

_MOST_AXES = 32                          # of NumPy's views, by which kernels are prepared (_views.py)
_prepare: dict = {}


def kernel(*op_types):
    """Registers a prepare function for these op types."""
    def register(function):
        for op_type in op_types:
            if op_type in _prepare:
                raise ValueError(f"{op_type} has two kernels, of {_prepare[op_type].__module__} and "
                                 f"{function.__module__}")
            _prepare[op_type] = function
        return function
    return register


def op_types():
    """The op types that have a kernel, sorted."""
    _load()
    return sorted(_prepare)


def family(op_type):
    """The name of the function that prepares an op's kernels, "matmul.matmul"; ops of one family share texts.

    None for an op that has no kernel.
    """
    _load()
    function = _prepare.get(op_type)
    return function and f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def prepare(request, target):
    """The Work for a request; Unsupported says why there is none."""
    _load()
    function = _prepare.get(request.op_type)
    if function is None:
        raise Unsupported(f"CUDA has no kernel for {request.op_type}")
    if any(shape is None or None in shape for shape in (*request.in_shapes, *request.out_shapes)):
        raise Unsupported(f"{request.op_type}: a shape is not known")
    most = max((len(shape) for shape in (*request.in_shapes, *request.out_shapes)), default=0)
    if most > _MOST_AXES:
        raise Unsupported(f"{request.op_type} on CUDA takes {_MOST_AXES} dimensions at most, not {most}")
    work = function(request, target)
    if not isinstance(work, Work):
        raise TypeError(f"the kernel of {request.op_type} gave {work!r}, not a Work")
    return work


@functools.cache
def _load():
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
