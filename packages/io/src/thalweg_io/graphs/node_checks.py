"""What a node of a file must fit: an op that thalweg declares, its inputs and their types, its writer's version."""
from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY

from . import op_adapters
from .graph_def import GRAPH_VERSION
from .node_attributes import invalid


def check_versions(versions):
    """Raises InvalidArgumentError for a GraphDef that is too new, or that says it must not be read by us."""
    if versions.producer < 0:
        raise errors.InvalidArgumentError(None, None, f"GraphDef producer version {versions.producer} below min "
                                                      "producer 0 supported by thalweg. Please regenerate your graph.")
    if versions.min_consumer > GRAPH_VERSION:
        raise errors.InvalidArgumentError(
            None, None, f"GraphDef min consumer version {versions.min_consumer} above current version {GRAPH_VERSION} "
                        "for thalweg. The graph needs a newer reader.")
    if GRAPH_VERSION in versions.bad_consumers:
        raise errors.InvalidArgumentError(None, None, f"GraphDef disallows consumer version {GRAPH_VERSION}. Its "
                                                      "writer says that readers of this version misread it.")


def find_declaration(op_type):
    """The declaration of an op type, with those of this package, or None."""
    found = REGISTRY.get(op_type)
    if found is None and op_type not in op_adapters.NAMES:
        op_adapters.declare_all()
        found = REGISTRY.get(op_type)
    return found


def declared(op_type):
    """The declaration of an op type; NotFoundError names the nearest."""
    found = find_declaration(op_type)
    if found is None:
        raise errors.NotFoundError(None, None, f"Op type not registered '{op_type}' in thalweg.{_near(op_type)} A "
                                               "file with a custom op needs the Python module that declares the op, "
                                               "imported before.")
    return found


def _near(op_type):
    import difflib
    near = difflib.get_close_matches(op_type, [*REGISTRY, *op_adapters.NAMES], n=3)
    return f" Near: {', '.join(near)}." if near else ""


def check_inputs(declaration, attrs, tensors, name):
    """Compares the inputs with what the op takes; enters types that the node did not say into `attrs`."""
    position = 0
    for argument in declaration.inputs:
        count = 1
        if argument.is_typed_list:
            if argument.letter not in attrs:
                attrs[argument.letter] = [t.dtype.base_dtype for t in tensors[position:]]
            count = len(attrs[argument.letter])
        elif argument.is_list:
            if argument.count not in attrs:
                raise errors.InvalidArgumentError(None, None, f"NodeDef missing attr '{argument.count}' from Op<name="
                                                              f"{declaration.name}>; NodeDef: {{{{node {name}}}}}")
            count = attrs[argument.count]
        if count < 0 or position + count > len(tensors):
            raise _wrong_count(declaration, tensors, name)
        for k in range(position, position + count):
            _check_input(declaration, argument, attrs, tensors[k], k, k - position, name)
        if argument.letter and not argument.is_typed_list and argument.letter not in attrs:
            _fill_letter(declaration, argument, attrs, name)
        position += count
    if position != len(tensors):
        raise _wrong_count(declaration, tensors, name)
    _check_letters(declaration, attrs, name)


def _check_input(declaration, argument, attrs, tensor, number, within, name):
    dtype = tensor.dtype.base_dtype
    if argument.is_typed_list:
        want = attrs[argument.letter][within]
    elif argument.letter is None:
        want = argument.dtype
    else:
        want = attrs.setdefault(argument.letter, dtype)
    if want.base_dtype is not dtype or argument.is_ref and not tensor.dtype.is_ref_dtype:
        expected = type_name(want.base_dtype) + "_ref" * argument.is_ref
        raise invalid(name, f"Input {number} of node {name} was passed {type_name(tensor.dtype)} from {tensor.name} "
                            f"incompatible with expected {expected}.")


def _fill_letter(declaration, argument, attrs, name):
    """A type that an empty list of inputs leaves open."""
    attribute = declaration.attributes.get(argument.letter)
    if attribute is None or attribute.is_required:
        raise errors.InvalidArgumentError(None, None, f"NodeDef missing attr '{argument.letter}' from Op<name="
                                                      f"{declaration.name}>; NodeDef: {{{{node {name}}}}}")
    attrs[argument.letter] = attribute.default


def _check_letters(declaration, attrs, name):
    for letter, allowed in declaration.letters.items():
        found = attrs.get(letter)
        if allowed and found is not None:
            for dtype in found if isinstance(found, list) else [found]:
                if dtype.base_dtype not in allowed:
                    raise invalid(name, f"Value for attr '{letter}' of {type_name(dtype)} is not in the list of "
                                        f"allowed values: {', '.join(type_name(d) for d in allowed)}; Op<name="
                                        f"{declaration.name}>")


def _wrong_count(declaration, tensors, name):
    return invalid(name, f"NodeDef expected inputs '{declaration.signature.partition('->')[0].strip()}' do not match "
                         f"{len(tensors)} inputs specified; Op<name={declaration.name}>")


_TYPE_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def type_name(dtype):
    """TensorFlow's name of a type in its messages: "float", "half_ref"."""
    base = dtype.base_dtype.name
    return _TYPE_NAMES.get(base, base) + "_ref" * dtype.is_ref_dtype
