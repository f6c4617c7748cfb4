"""Whether a request for a kernel agrees with the op's declaration, before any device sees it.

A prepare function trusts the shapes and dtypes that it gets: from them it computes how many bytes a run reads and
writes. The declaration says which go together, so they are compared here once, for all kernels of all devices.
"""
from thalweg.framework import shapes
from thalweg.framework.declaration import group_arguments
from thalweg.framework.dtypes import DType, as_dtype
from thalweg.framework.errors import explain


def check(request):
    """Raises ValueError where dtypes or shapes are not those that the declaration says; unknown ones pass.

    A request without the attributes on which they depend is not judged: a kernel that needs them says so.
    """
    if request.declaration is None:
        return
    try:
        problem = _of_dtypes(request) or _of_shapes(request)
    except (KeyError, AttributeError):
        return
    except ValueError as error:
        problem = str(error)
    except IndexError:
        problem = "there are too few operands"
    if problem:
        raise ValueError(explain(f"a kernel is asked for {request.op_type} {request.name!r}: {problem}",
                                 got=_described(request.in_dtypes, request.in_shapes) + " -> "
                                 + _described(request.out_dtypes, request.out_shapes),
                                 expected=request.declaration.signature))


def _of_dtypes(request):
    declaration, attrs = request.declaration, request.attrs
    letters = {}
    for arguments, dtypes in ((declaration.inputs, request.in_dtypes), (declaration.outputs, request.out_dtypes)):
        for argument, group in zip(arguments, group_arguments(arguments, dtypes, attrs)):
            if argument.is_typed_list:
                wanted = [_number(d) for d in attrs[argument.letter]]
                if group != wanted:
                    return f"{argument.name} must be {_names(wanted)}, not {_names(group)}"
                continue
            for number in group if argument.is_list else (group,):
                wanted = _number(argument.dtype) if argument.letter is None else letters.get(argument.letter)
                if wanted is None:
                    letters[argument.letter] = wanted = _bound(declaration, argument.letter, attrs, number)
                if number != wanted:
                    return f"{argument.name} must be {_names([wanted])}, not {_names([number])}"
    return None


def _bound(declaration, letter, attrs, number):
    """What a type letter stands for: its attribute, else the dtype that comes first, if it is allowed."""
    if isinstance(attrs.get(letter), DType):
        return _number(attrs[letter])
    allowed = declaration.letters.get(letter)
    if allowed is not None and number not in [_number(d) for d in allowed]:
        raise ValueError(f"{letter} must be one of {_names(map(_number, allowed))}, not {_names([number])}")
    return number


def _of_shapes(request):
    declaration = request.declaration
    outputs = request.out_shapes
    found = declaration.output_shapes(request.in_shapes, request.attrs, len(outputs), request.values.get, request.name)
    for k, (shape, want) in enumerate(zip(outputs, found)):
        if not shapes.compatible(shape, want):
            return f"output {k} must have shape {shapes.text(want)}, not {shapes.text(shape)}"
    for k, j in zip(request.ref_outputs, request.ref_inputs):
        if not shapes.compatible(outputs[k], request.in_shapes[j]):
            return (f"output {k} is the buffer of input {j}, of shape {shapes.text(request.in_shapes[j])}, not "
                    f"{shapes.text(outputs[k])}")
    return None


def _number(dtype):
    return dtype.as_datatype_enum % 100


def _names(numbers):
    return ", ".join([as_dtype(n).name for n in numbers])


def _described(dtypes, plain_shapes):
    return ", ".join([f"{as_dtype(d).name} {shapes.text(s)}" for d, s in zip(dtypes, plain_shapes)]) or "nothing"
