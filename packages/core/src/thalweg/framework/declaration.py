"""The form in which an op is declared, once and in one place (style.md, section 1).

    @elementwise("Softplus", "features: T -> activations: T", T=FLOATS, cpu="elementwise:elementwise",
                 public="nn.softplus")
    def softplus(features):
        ...NumPy reference body...

    @softplus.gradient
    def softplus_grad(node, dy):
        ...

The decorated name becomes an `OpDeclaration`; calling it adds a node to the default graph. `public` is the name by
which programs reach it; where a function around the op is public, that one is in `_names.py`.

Signature: `name: TYPE[dims], ... -> name: TYPE[dims], ...` with TYPE one of

* a type letter (`T`), TensorFlow's type attribute, bound by the first input that carries it or given as an attribute;
* a dtype name (`int32`);
* `N*T`, a list of tensors of one type, with its count attribute;
* `Tin...`, a list of tensors of any types, with its list attribute;
* any of these with `&`: the variable's own buffer, not a value.

and `[dims]` optional: letters (one size each, equal wherever they stand), numbers, or `[]` for a scalar.
Without brackets the shape is free.
"""
import contextlib
import inspect
import re

import numpy as np

from . import errors, shapes
from .call_signature import CallSignature
from .conversion import convert_n_to_tensor, convert_to_tensor
from .dtypes import DType, as_dtype
from .graph import Tensor, get_default_graph
from .naming import user_frame
from .packed import to_float32, to_packed
from .shapes import TensorShape

_ARGUMENT = re.compile(r"\s*(\w+)\s*:\s*(?:(\w+)\s*\*\s*)?(\w+)(\.\.\.)?(&)?\s*(\[[^\]]*\])?\s*(?:,|$)")

REGISTRY: dict = {}                      # op type -> OpDeclaration


class Argument:
    """One input or output of a signature."""

    __slots__ = ("name", "dtype", "letter", "count", "is_list", "is_ref", "dims")

    def __init__(self, name, count, type_name, ellipsis, ref, dims, letters):
        self.name, self.count = name, count
        is_letter = ellipsis or type_name in letters or type_name[0].isupper()
        self.letter = type_name if is_letter else None
        self.dtype = None if is_letter else as_dtype(type_name)
        self.is_list = bool(count or ellipsis)
        self.is_ref = bool(ref)
        self.dims = None if dims is None else tuple(int(d) if d.isdigit() else d
                                                    for d in re.findall(r"\w+", dims))

    @property
    def is_typed_list(self):
        """A `Tin...` list: every element has its own dtype."""
        return self.is_list and not self.count


def _parse(text, letters):
    arguments, position = [], 0
    while position < len(text.rstrip()):
        match = _ARGUMENT.match(text, position)
        if not match:
            raise errors.OpDeclarationError(f"malformed signature at {text[position:]!r}")
        arguments.append(Argument(*match.groups(), letters))
        position = match.end()
    return tuple(arguments)


# --- attributes -------------------------------------------------------------------------------------

_TYPE_NAMES = {int: "int", float: "float", bool: "bool", str: "string", bytes: "string", DType: "type",
               TensorShape: "shape", np.ndarray: "tensor", object: "func", list[int]: "list(int)",
               list[float]: "list(float)", list[bool]: "list(bool)", list[str]: "list(string)",
               list[DType]: "list(type)", list[TensorShape]: "list(shape)"}


def _as_int(value):
    return value.__index__() if hasattr(value, "__index__") else int(value)


def _as_text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _each(convert):
    return lambda values: [convert(v) for v in values]


_NORMALISE = {"int": _as_int, "float": float, "bool": bool, "string": _as_text, "type": as_dtype,
              "shape": shapes.plain, "tensor": lambda v: v, "func": lambda v: v, "list(int)": _each(_as_int),
              "list(float)": _each(float), "list(bool)": _each(bool), "list(string)": _each(_as_text),
              "list(type)": _each(as_dtype), "list(shape)": _each(shapes.plain)}

_REQUIRED = inspect.Parameter.empty


class Attribute:
    """One keyword-only argument of a body: an attribute of the op."""

    __slots__ = ("name", "type", "default", "normalise")

    def __init__(self, parameter):
        self.name, self.default = parameter.name, parameter.default
        annotation = parameter.annotation
        if annotation is _REQUIRED:
            annotation = type(self.default)
            if annotation in (tuple, list) and self.default:
                annotation = list[type(self.default[0])]
        if annotation not in _TYPE_NAMES:
            raise errors.OpDeclarationError(f"attribute {self.name!r} needs an annotation: one of "
                                            f"{', '.join(getattr(t, '__name__', str(t)) for t in _TYPE_NAMES)}")
        self.type = _TYPE_NAMES[annotation]
        self.normalise = _NORMALISE[self.type]
        if not self.is_required and self.default is not None:
            self.default = self.normalise(self.default)

    @property
    def is_required(self):
        return self.default is _REQUIRED


# --- views that rules see ---------------------------------------------------------------------------

class NodeView:
    """What a gradient rule sees: inputs, outputs and attributes of a node under their declared names."""

    __slots__ = ("op",)

    def __init__(self, op):
        self.op = op

    @property
    def inputs(self):
        return self.op.inputs

    @property
    def outputs(self):
        return self.op.outputs

    @property
    def attrs(self):
        """The attributes that the op's body names, ready to pass on."""
        return {name: self.op.attrs[name] for name in self.op.declaration.attributes if name in self.op.attrs}

    def __getattr__(self, name):
        op = self.op
        for arguments, tensors in ((op.declaration.inputs, op.inputs), (op.declaration.outputs, op.outputs)):
            groups = group_arguments(arguments, tensors, op.attrs)
            for argument, group in zip(arguments, groups):
                if argument.name == name:
                    return group
        if name in op.attrs:
            return op.attrs[name]
        raise AttributeError(f"op {op.type} has no input, output or attribute {name!r}")


class ShapeView:
    """What a shape rule sees: attributes under their names, and the values of inputs where they are constant."""

    __slots__ = ("attrs", "inputs", "_constant", "name", "type")

    def __init__(self, attrs, inputs, constant, name, op_type):
        self.attrs, self.inputs, self._constant, self.name, self.type = attrs, inputs, constant, name, op_type

    def constant(self, index):
        """The value of input `index` as an array when it is known while the graph is built, else None."""
        return self._constant(index)

    def __getattr__(self, name):
        try:
            return self.attrs[name]
        except KeyError:
            raise AttributeError(f"op {self.type} has no attribute {name!r}") from None


def group_arguments(arguments, values, attrs):
    """`values`, flat, as one item per argument: a list for a list argument."""
    groups, position = [], 0
    for argument in arguments:
        if argument.is_list:
            count = attrs[argument.count] if argument.count else len(attrs[argument.letter])
            groups.append(list(values[position:position + count]))
            position += count
        else:
            groups.append(values[position])
            position += 1
    return groups


# --- the declaration --------------------------------------------------------------------------------

class OpDeclaration:
    """An op: signature, reference body, rules and kernel names. Calling it adds a node to the default graph.

    Attributes
    ----------
    name : str                      TensorFlow's op type
    inputs, outputs : tuple of Argument
    attributes : dict of Attribute  the body's keyword-only arguments
    body : callable                 NumPy reference: arrays in, array or tuple of arrays out
    kernels : dict                  device kind -> kernel name, e.g. {"cpu": "conv:conv2d"}
    kind : str                      "op", "elementwise" or "reduction"
    is_stateful : bool              never merged, folded or dropped because of equal inputs
    is_random : bool                the body takes `rng`, its op's generator in this session (ops/_philox.Generator)
    size_inputs : tuple of int      inputs that say of what size the output is and nothing else: no kernel reads them
    takes_session : bool            the body takes `session`, the engine that runs it (runtime/engine.py)
    is_source : bool                gives values from outside of the graph: a run takes them before it has a plan, so
                                    that the plan knows their shapes (plan/sources.py)
    files : tuple of str            inputs that name files which the body uses, and attributes that do by `file://PATH`:
                                    what an imported graph has to ask for (thalweg_io/graphs/imported_files.py)
    public : str or None            the name without `tf.` under which programs call the declaration itself
    """

    __signature__ = CallSignature()

    def __init__(self, name, signature, body, kind, letters, kernels, is_stateful, public, is_source=False,
                 size_inputs=(), files=()):
        self.name, self.signature, self.body, self.kind = name, signature, body, kind
        self.kernels, self.is_stateful, self.public = kernels, is_stateful, public
        self.is_source, self.size_inputs, self.files = is_source, size_inputs, files
        left, _, right = signature.partition("->")
        parameters = inspect.signature(body).parameters
        self.is_random, self.takes_session = "rng" in parameters, "session" in parameters
        self.attributes = {p.name: Attribute(p) for p in parameters.values()
                           if p.kind is p.KEYWORD_ONLY and p.name not in ("rng", "session")}
        self.letters = dict(letters)
        self.widened_letters = ()
        known = set(self.letters) | {a.name for a in self.attributes.values() if a.type == "type"}
        self.inputs, self.outputs = _parse(left, known), _parse(right, known)
        if not self.is_random:                           # TensorFlow has numbers of its own for bfloat16
            self._admit_bfloat16()
        for argument in self.inputs + self.outputs:
            if argument.letter and argument.letter not in self.letters:
                self.letters[argument.letter] = None
        self.shape_rule = self.gradient_rule = self.no_gradient_reason = None
        self.refuses_gradient = False
        self.is_sealed = False
        self.__name__, self.__doc__ = body.__name__, body.__doc__
        self.__module__, self.__qualname__ = body.__module__, body.__qualname__
        self._input_names = tuple(a.name for a in self.inputs)
        self._is_plain = not any(a.is_list or a.is_ref for a in self.inputs)
        self._bound_letters = {a.letter for a in self.inputs if a.letter}
        self.wants_ref = tuple(a.is_ref for a in self.inputs)

    def _admit_bfloat16(self):
        """What computes float16 and float32 of an input computes bfloat16 too: the body sees it as float32."""
        for letter in {a.letter for a in self.inputs if a.letter}:
            allowed = self.letters.get(letter)
            if allowed and _FLOAT16 in allowed and _FLOAT32 in allowed and _BFLOAT16 not in allowed:
                self.letters[letter] = (*allowed, _BFLOAT16)
                self.widened_letters += (letter,)

    # rules ---------------------------------------------------------------------------------------

    def shape(self, rule):
        """Attaches the shape rule: `rule(node, *input_shapes)` gives {letter: size}, a shape, or a list of shapes."""
        self.shape_rule = rule
        return rule

    def gradient(self, rule):
        """Attaches the gradient: `rule(node, *output_gradients)` gives one gradient, or one per input (None: none)."""
        self.gradient_rule = rule
        return rule

    def no_gradient(self, reason, refuses=False):
        """States why this op has no gradient: none flows (None), or asking for one is an error (`refuses`)."""
        self.no_gradient_reason, self.refuses_gradient = reason, refuses

    @property
    def has_gradient(self):
        return self.gradient_rule is not None

    def seal(self):
        """Raises OpDeclarationError unless the declaration is complete."""
        if self.gradient_rule is None and self.no_gradient_reason is None:
            raise errors.OpDeclarationError(f"op {self.name} ({self.__module__}) has neither a gradient nor a reason "
                                            f"for none: write @{self.__name__}.gradient or .no_gradient(\"why\")")
        free = [o.name for o in self.outputs if o.dims is None and not o.is_ref]
        if free and self.shape_rule is None and self.kind == "op":
            raise errors.OpDeclarationError(f"op {self.name} ({self.__module__}): output {free[0]!r} has neither "
                                            f"dimensions in the signature nor a shape rule")
        self.is_sealed = True

    # shapes --------------------------------------------------------------------------------------

    def infer_shapes(self, op):
        """The static shapes of an operation's outputs, plain; ShapeError names the op and the user's line."""
        from .constant_value import constant_value
        try:
            return self.output_shapes([t._shape for t in op.inputs], op.attrs, len(op.outputs),
                                      lambda k: constant_value(op.inputs[k]), op.name, op.inputs)
        except errors.ShapeError:
            raise
        except ValueError as error:
            raise errors.ShapeError(self._explain(op.name, error, op.inputs, op.frame)) from error

    def output_shapes(self, in_shapes, attrs, n_out, constant, name="", inputs=()):
        """Output shapes from input shapes; `constant(k)` gives input k's value or None."""
        if self.shape_rule is None and self.kind == "elementwise":
            shape = in_shapes[0]
            for other in in_shapes[1:]:
                shape = shapes.broadcast(shape, other)
            return [shape] * n_out
        letters = self._match_letters(in_shapes, attrs)
        result = None
        if self.shape_rule is not None:
            view = ShapeView(attrs, inputs, constant, name, self.name)
            result = self.shape_rule(view, *group_arguments(self.inputs, in_shapes, attrs))
            if type(result) is dict:
                letters.update(result)
            elif result is None or type(result) is tuple:
                return [result]
            else:
                return result
        return [None if o.dims is None else tuple([d if type(d) is int else letters.get(d) for d in o.dims])
                for o in self.outputs]

    def _match_letters(self, in_shapes, attrs):
        letters: dict = {}
        for argument, group in zip(self.inputs, group_arguments(self.inputs, in_shapes, attrs)):
            if argument.dims is None:
                continue
            for shape in group if argument.is_list else (group,):
                if shape is not None:
                    self._match_shape(argument, shape, letters)
        return letters

    def _match_shape(self, argument, shape, letters):
        if len(shape) != len(argument.dims):
            raise ValueError(f"{argument.name} has rank {len(shape)}, shape {shapes.text(shape)}, "
                             f"but must have rank {len(argument.dims)}: [{', '.join(map(str, argument.dims))}]")
        for letter, size in zip(argument.dims, shape):
            want = letter if type(letter) is int else letters.get(letter)
            if want is None:
                letters[letter] = size
            elif size is not None and size != want:
                raise ValueError(f"dimension {letter} is {want} elsewhere but {size} in {argument.name}")

    def _explain(self, name, error, inputs, frame):
        """The text about a ValueError of the shape rule."""
        names = [a.name for a in self.inputs]
        if len(names) != len(inputs):
            names = [str(i) for i in range(len(inputs))]
        got = ", ".join(f"{n} {t.dtype.base_dtype.name} {shapes.text(t._shape)}" for n, t in zip(names, inputs))
        expected = ", ".join(f"{a.name} [{', '.join(map(str, a.dims))}]" for a in self.inputs if a.dims is not None)
        return errors.explain(f'{self.name} "{name}": {error}', got=got,
                              expected=getattr(error, "expected", None) or expected,
                              hint=getattr(error, "hint", None), built_at=frame)

    # building ------------------------------------------------------------------------------------

    def __call__(self, *args, name=None, **kwargs):
        """Adds this op to the default graph; gives its output, a list of outputs, or the operation if it has none."""
        op = self.build(args, kwargs, name)
        outputs = op.outputs
        if len(self.outputs) == 1:
            return list(outputs) if self.outputs[0].is_list else outputs[0]
        if not outputs:
            return op if not self.outputs else []
        return group_arguments(self.outputs, outputs, op.attrs)

    def build(self, args, kwargs, name=None):
        """As calling, but gives the Operation."""
        if not self.is_sealed:
            self.seal()
        if len(args) != len(self.inputs):
            if len(args) > len(self.inputs):
                args, name = self._spread(args, kwargs, name)
            args = self._complete(args, kwargs)
        graph = get_default_graph()
        letters: dict = {}
        if self._is_plain and all([type(a) is Tensor for a in args]):
            tensors = args
            for argument, tensor in zip(self.inputs, args):
                self._bind(argument, tensor, letters, name, args)
        else:
            tensors, name = self._convert(graph, args, letters, name)
        attrs = self._attrs(kwargs, letters)
        dtypes_out = self._output_dtypes(attrs)
        if True not in self.wants_ref:
            return graph._make_op(self, tensors, attrs, dtypes_out, name)
        with contextlib.ExitStack() as beside:                  # an op that changes a variable lives where it lives
            for tensor, wants_ref in zip(tensors, self._wants_ref_flat(attrs)):
                if wants_ref:
                    beside.enter_context(graph.colocate_with(tensor.op))
            return graph._make_op(self, tensors, attrs, dtypes_out, name)

    def _wants_ref_flat(self, attrs):
        """For each input tensor, whether the op takes the variable itself."""
        if not any(a.is_list for a in self.inputs):
            return self.wants_ref
        return [a.is_ref for a in self.inputs for _ in range(attrs[a.count] if a.is_list else 1)]

    def _spread(self, args, kwargs, name):
        """The inputs among positional arguments; those after them are attributes (types left out), then the name."""
        count = len(self.inputs)
        names = [a.name for a in self.attributes.values() if a.type != "type"] + ["name"]
        surplus = dict(zip(names, args[count:]))
        if len(args) > count + len(names) or surplus.keys() & kwargs.keys() or name and "name" in surplus:
            raise TypeError(f"{self.name} takes {', '.join([*self._input_names, *names])}; got {len(args)} positional "
                            f"arguments{' and ' * bool(kwargs)}{', '.join(kwargs)}")
        name = surplus.pop("name", name)
        kwargs.update(surplus)
        return args[:count], name

    def _complete(self, args, kwargs):
        """Positional and keyword inputs in signature order; TypeError names what is missing."""
        args = list(args)
        for input_name in self._input_names[len(args):]:
            if input_name not in kwargs:
                raise TypeError(f"{self.name} misses input {input_name!r}; it takes {', '.join(self._input_names)}")
            args.append(kwargs.pop(input_name))
        return args

    def _convert(self, graph, args, letters, name):
        """Inputs that are no tensors yet become constants named after the op and the argument, as in TensorFlow."""
        tensors: list = []
        with graph.name_scope(name or self.name) as scope:
            for argument, value in zip(self.inputs, args):
                if argument.is_list:
                    tensors += self._convert_list(argument, value, letters)
                    continue
                if type(value) is not Tensor:
                    value = self._convert_one(argument, value, letters)
                self._bind(argument, value, letters, scope[:-1], args)
                tensors.append(value)
        return tensors, scope

    def _wanted_dtype(self, argument, letters):
        if argument.letter is None:
            return argument.dtype, None
        bound = letters.get(argument.letter)
        if bound is not None:
            return bound, None
        default = self.attributes.get(argument.letter)
        default = default.default if default is not None and not default.is_required else None
        if default is None:
            allowed = self.letters.get(argument.letter)
            default = _INDEX_DEFAULT if allowed is INDEX_TYPES else None
        return None, default

    def _convert_one(self, argument, value, letters):
        dtype, preferred = self._wanted_dtype(argument, letters)
        try:
            tensor = convert_to_tensor(value, dtype, argument.name, preferred, as_ref=argument.is_ref)
        except (TypeError, ValueError) as error:
            if dtype is None or not isinstance(error, TypeError):
                raise
            raise errors.DTypeError(f"Input '{argument.name}' of '{self.name}' Op: {error}") from error
        return tensor

    def _convert_list(self, argument, values, letters):
        if isinstance(values, Tensor) or not hasattr(values, "__iter__"):
            raise errors.DTypeError(f"Expected list for '{argument.name}' argument to '{self.name}' Op, "
                                    f"not {values!r}.")
        values = list(values)
        if argument.is_typed_list:
            tensors = convert_n_to_tensor(values, None, argument.name)
            letters[argument.letter] = [t.dtype.base_dtype for t in tensors]
            return tensors
        dtype, preferred = self._wanted_dtype(argument, letters)
        if dtype is None:
            dtype = next((v.dtype.base_dtype for v in values if isinstance(v, Tensor)), None)
        tensors = convert_n_to_tensor(values, dtype, argument.name, preferred, as_ref=argument.is_ref)
        letters[argument.count] = len(tensors)
        for tensor in tensors:
            self._bind(argument, tensor, letters, self.name, values)
        return tensors

    def _bind(self, argument, tensor, letters, name, args):
        """Checks an input's dtype against the letter, which the first input that carries it binds."""
        dtype = tensor.dtype.base_dtype
        letter = argument.letter
        want = argument.dtype if letter is None else letters.get(letter)
        if want is None:
            allowed = self.letters.get(letter)
            if allowed is not None and dtype not in allowed:
                raise self._unfit(f"Value passed to parameter '{argument.name}' of '{self.name}' Op has DataType "
                                  f"{dtype.name} not in list of allowed values: {_names(allowed)}",
                                  argument, tensor, name, None, _nearest_dtype(dtype, allowed))
            letters[letter] = dtype
        elif want is not dtype:
            other = next((a.name for a in self.inputs if letter and a.letter == letter), None)
            reason = f"type {want.name} of argument '{other}'" if other else f"expected type of {want.name}"
            raise self._unfit(f"Input '{argument.name}' of '{self.name}' Op has type {dtype.name} that does not match "
                              f"{reason}.", argument, tensor, name, want.name, want)
        if argument.is_ref and not tensor.dtype.is_ref_dtype:
            raise self._unfit(f"'{self.name}' Op requires that input '{argument.name}' be a mutable tensor "
                              f"(e.g.: a tf.Variable); {tensor.name} is a value.", argument, tensor, name,
                              "a tf.Variable", None)

    def _unfit(self, problem, argument, tensor, name, expected, wanted):
        """The DTypeError for one input; `wanted`, a dtype to cast to, where a cast can help."""
        dtype, can_cast = tensor.dtype.base_dtype, wanted is not None and "O" not in (tensor.dtype.kind, wanted.kind)
        got = f"{argument.name} {dtype.name} {shapes.text(tensor._shape)}, {tensor.name}"
        return errors.DTypeError(errors.explain(
            problem, node=name and repr(name.rstrip("/")), got=got,
            expected=expected and f"{argument.name} {expected}",
            hint=f"tf.cast({argument.name}, tf.{wanted.name})" if can_cast else None, built_at=user_frame()))

    def _attrs(self, kwargs, letters):
        attrs = letters
        for attribute in self.attributes.values():
            value = kwargs.pop(attribute.name, _REQUIRED)
            if value is _REQUIRED:
                value = attribute.default
                if value is _REQUIRED:
                    if attribute.name in letters:
                        continue
                    raise TypeError(f"{self.name} misses attribute {attribute.name!r}")
            elif value is not None:
                try:
                    value = attribute.normalise(value)
                except (TypeError, ValueError) as error:
                    raise errors.DTypeError(f"{self.name}: attribute {attribute.name!r} must be {attribute.type}, "
                                            f"not {value!r} ({error})") from error
            if attribute.type == "type":
                if attribute.name in self._bound_letters:
                    continue                                    # an input has decided
                self._check_type_attr(attribute.name, value)
            attrs[attribute.name] = value
        if kwargs:
            raise TypeError(f"{self.name} has no input or attribute {', '.join(map(repr, kwargs))}; it has "
                            f"{', '.join([*self._input_names, *self.attributes])}")
        return attrs

    def _check_type_attr(self, letter, dtype):
        allowed = self.letters.get(letter)
        if allowed is not None and dtype is not None and dtype.base_dtype not in allowed:
            nearest = _nearest_dtype(dtype, allowed)
            raise errors.DTypeError(errors.explain(
                f"{self.name}: {letter} = {dtype.name} is not in the list of allowed values: {_names(allowed)}",
                hint=nearest and f"{letter} = tf.{nearest.name}, then tf.cast(x, tf.{dtype.name})",
                built_at=user_frame()))

    def _output_dtypes(self, attrs):
        result = []
        for output in self.outputs:
            if output.is_typed_list:
                result += attrs[output.letter]
                continue
            dtype = output.dtype if output.letter is None else attrs[output.letter]
            dtype = dtype._ref if output.is_ref else dtype
            result += [dtype] * (attrs[output.count] if output.count else 1)
        return result

    def reference(self, arrays, attrs, rng=None, session=None):
        """Runs the NumPy body on a flat list of arrays; gives a flat list of arrays."""
        if any([attrs.get(letter) is _BFLOAT16 for letter in self.widened_letters]):
            return self._widened_reference(arrays, attrs, rng)
        chosen = {name: attrs[name] for name in self.attributes}
        if self.is_random:
            chosen["rng"] = rng
        if self.takes_session:
            chosen["session"] = session
        with np.errstate(all="ignore"):                         # infinities and NaN are values, not warnings
            result = self.body(*group_arguments(self.inputs, arrays, attrs), **chosen)
        if len(self.outputs) == 1:
            result = [result]
        flat: list = []
        for output, value in zip(self.outputs, result if result is not None else ()):
            flat.extend(value) if output.is_list else flat.append(value)
        return [_string(value) if type(value) is bytes else value for value in flat]

    def _widened_reference(self, arrays, attrs, rng):
        """As `reference`, with float32 in the place of bfloat16 and one rounding of the results."""
        wide = {name: _FLOAT32 if value is _BFLOAT16 else value for name, value in attrs.items()}
        arrays = [to_float32(a) if a.dtype == _BFLOAT16.np else a for a in arrays]
        results = self.reference(arrays, wide, rng)
        return [to_packed(np.asarray(r), _BFLOAT16) if dtype.base_dtype is _BFLOAT16 else r
                for r, dtype in zip(results, self._output_dtypes(attrs))]

    def __repr__(self):
        return f"<op {self.name}: {self.signature}>"


def _string(value):
    """One string as an array; np.asarray would take the NULs at its end for padding."""
    array = np.empty((), object)
    array[()] = value
    return array


def _names(dtypes):
    return ", ".join([d.name for d in dtypes])


def _nearest_dtype(dtype, allowed):
    """The allowed dtype to cast to: float32, else the first of the same kind; None where there is neither."""
    return next((d for d in allowed if d.name == "float32"), next((d for d in allowed if d.kind == dtype.kind), None))


_FLOAT16, _FLOAT32, _BFLOAT16 = map(as_dtype, ("float16", "float32", "bfloat16"))
INDEX_TYPES = (as_dtype("int32"), as_dtype("int64"))
_INDEX_DEFAULT = as_dtype("int32")


def define_op(name, signature, *, stateful=False, source=False, size_inputs=(), files=(), cpu=None, kind="op",
              public=None, **letters):
    """Declares an op; see the module's docstring. Letters map to their allowed dtypes."""
    def declare(body):
        if name in REGISTRY:
            raise errors.OpDeclarationError(f"op {name} is declared twice: {REGISTRY[name].__module__} "
                                            f"and {body.__module__}")
        kernels = {"cpu": cpu} if cpu else {}
        declaration = OpDeclaration(name, signature, body, kind, letters, kernels, stateful, public, source,
                                    size_inputs, files)
        REGISTRY[name] = declaration
        return declaration
    return declare


def elementwise(name, signature, **options):
    """Declares an op that acts on each element, its inputs broadcast against each other."""
    return define_op(name, signature, kind="elementwise", **options)


def reduction(name, signature, **options):
    """Declares an op that reduces over the axes of its second input; `keep_dims` keeps them with size 1."""
    def declare(body):
        declaration = define_op(name, signature, kind="reduction", **options)(body)
        declaration.shape_rule = reduced_shape
        return declaration
    return declare


def reduced_shape(node, x, axes_shape):
    """Shape rule of reductions: the axes must be constant for the result to have a known shape."""
    axes = node.constant(1)
    if axes is None:
        return None if not node.keep_dims or x is None else (None,) * len(x)
    if x is None:
        return None
    axes = np.ravel(axes)
    for axis in axes:
        if not -len(x) <= axis < len(x):
            raise ValueError(f"invalid reduction dimension {axis} for input with {len(x)} dimensions")
    dropped = {int(a) % len(x) for a in axes} if len(x) else set()
    if node.keep_dims:
        return tuple([1 if i in dropped else d for i, d in enumerate(x)])
    return tuple([d for i, d in enumerate(x) if i not in dropped])


def seal():
    """Checks every declaration; called at the end of `import thalweg` and after op plugins are loaded."""
    for declaration in REGISTRY.values():
        if not declaration.is_sealed:
            declaration.seal()


def public_names():
    """{public name: "module:attribute"} of the core's declarations that programs call as they are."""
    return {d.public: f"{d.__module__}:{d.__name__}" for d in REGISTRY.values()
            if d.public and d.__module__.startswith("thalweg.")}


def declaration_of(op_type):
    """The declaration of an op type; NotFoundError names the nearest."""
    try:
        return REGISTRY[op_type]
    except KeyError:
        import difflib
        near = difflib.get_close_matches(op_type, REGISTRY, n=3)
        raise errors.NotFoundError(None, None, f"Op type not registered '{op_type}'."
                                   + (f" Near: {', '.join(near)}." if near else "")) from None
