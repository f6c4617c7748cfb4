"""Nested structures: lists, tuples, namedtuples, dicts and attrs classes with tensors as leaves.

Dicts are walked in the order of their sorted keys. Strings, arrays and tensors are leaves. Classes that stand for
several tensors at once (IndexedSlices) register themselves as composites and are opened only where that is asked for.
"""
from collections import abc

_COMPOSITES: list = []                   # (class, components(value), rebuild(value, components), invariants)


def register_composite(cls, components, rebuild, invariants):
    """Lets `flatten(..., expand_composites=True)` see inside `cls`.

    Parameters
    ----------
    components : callable (value) -> list of Tensor
    rebuild : callable (value, list of Tensor) -> a value like the first, with these components
    invariants : callable (value, plain shape) -> the plain shapes of the components that stay true in a loop whose
        `shape_invariants` gives the shape for the value
    """
    _COMPOSITES.append((cls, components, rebuild, invariants))


def composite_invariants(value, shape):
    """What a shape invariant for a composite value means for its components, plain shapes."""
    return _composite(value)[3](value, shape)


def _composite(value):
    return next((entry for entry in _COMPOSITES if isinstance(value, entry[0])), None)


def is_composite(value):
    """Whether `value` is of a registered composite class."""
    return _composite(value) is not None


def is_nested(value):
    """Whether `value` is a structure and no leaf."""
    return (isinstance(value, (list, tuple, abc.Mapping)) or _is_attrs(value)
            or isinstance(value, abc.Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)))


is_sequence = is_nested


def _is_attrs(value):
    return hasattr(type(value), "__attrs_attrs__")


def is_namedtuple(value):
    """Whether `value` is a tuple with field names."""
    return isinstance(value, tuple) and isinstance(getattr(value, "_fields", None), tuple)


def _sorted_keys(mapping):
    try:
        return sorted(mapping)
    except TypeError:
        raise TypeError("nest only supports dicts with sortable keys.") from None


def _items(value):
    """The (key, child) pairs of a structure, in the order of flattening."""
    if isinstance(value, abc.Mapping):
        return [(key, value[key]) for key in _sorted_keys(value)]
    if _is_attrs(value):
        return [(a.name, getattr(value, a.name)) for a in type(value).__attrs_attrs__]
    return list(enumerate(value))


def _rebuild(like, children):
    """A structure of the type of `like` with `children` in the order of `_items(like)`."""
    if isinstance(like, abc.Mapping):
        by_key = dict(zip(_sorted_keys(like), children))
        ordered = [(key, by_key[key]) for key in like]
        if hasattr(like, "default_factory"):
            return type(like)(like.default_factory, ordered)
        return type(like)(ordered)
    if is_namedtuple(like) or _is_attrs(like):
        return type(like)(*children)
    return type(like)(children)


def flatten(structure, expand_composites=False):
    """The leaves of `structure` in a list; a leaf alone gives a list of one."""
    leaves: list = []
    _flatten_into(structure, leaves, expand_composites)
    return leaves


def _flatten_into(value, leaves, expand):
    entry = _composite(value) if expand else None
    if entry is not None:
        leaves.extend(entry[1](value))
    elif is_nested(value):
        for _, child in _items(value):
            _flatten_into(child, leaves, expand)
    else:
        leaves.append(value)


def pack_sequence_as(structure, flat_sequence, expand_composites=False):
    """The leaves `flat_sequence` in the form of `structure`; ValueError when their number differs."""
    if not is_nested(flat_sequence):
        raise TypeError("flat_sequence must be a sequence")
    flat = list(flat_sequence)
    if not is_nested(structure) and not (expand_composites and _composite(structure)):
        if len(flat) != 1:
            raise ValueError(f"Structure is a scalar but len(flat_sequence) == {len(flat)} > 1")
        return flat[0]
    wanted = len(flatten(structure, expand_composites))
    if wanted != len(flat):
        raise ValueError(f"Could not pack sequence. Structure had {wanted} elements, but flat_sequence had "
                         f"{len(flat)} elements.  Structure: {structure}, flat_sequence: {flat}.")
    return _pack(structure, iter(flat), expand_composites)


def _pack(structure, leaves, expand):
    entry = _composite(structure) if expand else None
    if entry is not None:
        return entry[2](structure, [next(leaves) for _ in entry[1](structure)])
    if is_nested(structure):
        return _rebuild(structure, [_pack(child, leaves, expand) for _, child in _items(structure)])
    return next(leaves)


def assert_same_structure(nest1, nest2, check_types=True, expand_composites=False):
    """Raises ValueError when the structures differ in form, TypeError when their container types do."""
    try:
        _compare(nest1, nest2, check_types, expand_composites)
    except (ValueError, TypeError) as error:
        raise type(error)(f"The two structures don't have the same nested structure.\n\n"
                          f"First structure: type={type(nest1).__name__} str={nest1}\n\n"
                          f"Second structure: type={type(nest2).__name__} str={nest2}\n\n"
                          f"More specifically: {error}") from None


def _compare(a, b, check_types, expand):
    if expand and (_composite(a) or _composite(b)):
        if _composite(a) is not _composite(b):
            raise TypeError(f"{a} and {b} are different kinds of composite values")
        return
    if is_nested(a) != is_nested(b):
        nested, leaf = (a, b) if is_nested(a) else (b, a)
        raise ValueError(f'Substructure "type={type(nested).__name__} str={nested}" is a sequence, while '
                         f'substructure "type={type(leaf).__name__} str={leaf}" is not')
    if not is_nested(a):
        return
    if check_types:
        _compare_types(a, b)
    first, second = _items(a), _items(b)
    if len(first) != len(second):
        raise ValueError(f"The two structures don't have the same number of elements: {len(first)} in {a}, "
                         f"{len(second)} in {b}")
    if isinstance(a, abc.Mapping) and [k for k, _ in first] != [k for k, _ in second]:
        raise ValueError(f"The two dictionaries don't have the same set of keys: {[k for k, _ in first]} and "
                         f"{[k for k, _ in second]}")
    for (_, x), (_, y) in zip(first, second):
        _compare(x, y, check_types, expand)


def _compare_types(a, b):
    if is_namedtuple(a) and is_namedtuple(b):
        if type(a).__name__ == type(b).__name__ and a._fields == b._fields:
            return
    elif isinstance(a, abc.Mapping) and isinstance(b, abc.Mapping):
        return
    if type(a) is not type(b):
        raise TypeError(f"The two structures don't have the same sequence type. First structure has type "
                        f"{type(a).__name__}, while second structure has type {type(b).__name__}.")


def map_structure(func, *structures, check_types=True, expand_composites=False):
    """`func` applied to the leaves of structures of one form; the result has the form of the first."""
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func!r}")
    if not structures:
        raise ValueError("Must provide at least one structure")
    for other in structures[1:]:
        assert_same_structure(structures[0], other, check_types, expand_composites)
    flat = [flatten(s, expand_composites) for s in structures]
    return pack_sequence_as(structures[0], [func(*leaves) for leaves in zip(*flat)], expand_composites)


def assert_shallow_structure(shallow_tree, input_tree, check_types=True):
    """Raises unless `input_tree` has at least the form of `shallow_tree`; what is below its leaves is free."""
    if not is_nested(shallow_tree):
        return
    if not is_nested(input_tree):
        raise TypeError(f"If shallow structure is a sequence, input must also be a sequence. "
                        f"Input has type: {type(input_tree).__name__}.")
    if check_types:
        _compare_types(shallow_tree, input_tree)
    first, second = _items(shallow_tree), _items(input_tree)
    if len(first) != len(second):
        raise ValueError(f"The two structures don't have the same sequence length. Input structure has length "
                         f"{len(second)}, while shallow structure has length {len(first)}.")
    for (key, child), (other_key, other) in zip(first, second):
        if key != other_key:
            raise ValueError(f"The two structures don't have the same keys. Shallow structure has key {key!r}, "
                             f"input structure {other_key!r}.")
        assert_shallow_structure(child, other, check_types)


def flatten_up_to(shallow_tree, input_tree, check_types=True):
    """The parts of `input_tree` that stand where `shallow_tree` has its leaves."""
    assert_shallow_structure(shallow_tree, input_tree, check_types)
    parts: list = []

    def walk(shallow, tree):
        if not is_nested(shallow):
            parts.append(tree)
            return
        for (_, child), (_, part) in zip(_items(shallow), _items(tree)):
            walk(child, part)

    walk(shallow_tree, input_tree)
    return parts


def map_structure_up_to(shallow_tree, func, *inputs, check_types=True):
    """`func` applied to the parts that stand at the leaves of `shallow_tree`, in its form."""
    parts = [flatten_up_to(shallow_tree, tree, check_types) for tree in inputs]
    return pack_sequence_as(shallow_tree, [func(*p) for p in zip(*parts)])


def flatten_dict_items(dictionary):
    """A dict whose keys or values may be structures, as a flat dict; keys and values are paired leaf by leaf."""
    if not isinstance(dictionary, abc.Mapping):
        raise TypeError("input must be a dictionary")
    flat: dict = {}
    for key, value in dictionary.items():
        keys = flatten(key) if is_nested(key) else [key]
        values = flatten(value) if is_nested(key) else [value]
        if len(keys) != len(values):
            raise ValueError(f"Could not flatten dictionary. Key had {len(keys)} elements, but value had "
                             f"{len(values)} elements. Key: {key}, value: {value}.")
        for k, v in zip(keys, values):
            if k in flat:
                raise ValueError(f"Could not flatten dictionary: key {k} is not unique.")
            flat[k] = v
    return flat
