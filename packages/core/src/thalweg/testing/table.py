"""Tables of ops: a row says what to call and with what; the harness does the rest.

    ROWS = [
        Row(tf.nn.softplus, reals(3, 4), against=lambda x: np.logaddexp(x, 0)),
        Row(tf.nn.softplus, exactly(-1e4, 0.0, 1e4), gradient=False),
        Row(tf.maximum, reals(3, 1), reals(4), keep_apart=1e-3),
        Bad(tf.add, reals(3), reals(4), match="do not broadcast"),
    ]
    test_table = table_test(ROWS)

Each row is built for every dtype that its ops take, and run on the reference bodies and on every device that is there:
values, declared shapes and dtypes with known and with unknown dimensions, strided and read-only feeds, empty inputs of
elementwise ops, gradients of first and second order.
"""
import itertools
import re
import zlib

import numpy as np

from thalweg import devices
from thalweg.autodiff import gradients
from thalweg.autodiff.backward import is_differentiable
from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import OpDeclaration
from thalweg.framework.evaluate import Evaluator
from thalweg.framework.graph import Graph, Operation, Tensor, device
from thalweg.framework.indexed_slices import IndexedSlices
from thalweg.framework.packed import to_float32
from thalweg.ops.placeholder import placeholder
from thalweg.runtime.session import Session

from .gradient_check import Check
from .samples import Sample

_TRIED = [dtypes.as_dtype(name) for name in ("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8",
                                             "complex64", "complex128", "bool", "string")]
_SIXTEEN_BITS = [dtypes.float16, dtypes.bfloat16]
# relative to the largest element, or to _SPREAD times the middle one of those that are not 0 if that is less; sums and
# functions of 16 bits are rounded once, but on the device maybe twice
_TOLERANCE = {"float16": 2e-3, "bfloat16": 8e-3, "float32": 2e-6, "float64": 1e-12, "complex64": 4e-6,
              "complex128": 1e-12}
_SPREAD = 8.0                            # between what has cancelled out in an element and the others


class Row:
    """A call of `function` with samples and values.

    Options
    -------
    gradient : bool           check gradients (True where outputs and inputs are real floats)
    second : bool             check the gradient of the gradient too
    keep_apart : float        redraw until no two inputs come closer, element by element: for ties
    dtypes : list of names    the dtypes to try; default: all that the ops take
    against : callable        an independent source: float64 arrays -> array or list of arrays
    accuracy : float          tolerated relative error against it
    tolerance : float         factor on the tolerance of devices
    signs : bool              devices give zeros the sign that the bodies give them
    unknown : bool            build with unknown dimensions and ranks too; "dimensions": with those only
    label : str               in the name of the test

    Everything else is passed to `function`.
    """

    def __init__(self, function, *inputs, gradient=True, second=True, keep_apart=0.0, dtypes=None, against=None,
                 accuracy=1e-12, tolerance=1.0, signs=False, unknown=True, label="", **options):
        self.function, self.inputs, self.options = function, inputs, options
        self.gradient, self.second, self.keep_apart = gradient, second, keep_apart
        self.dtypes, self.against, self.accuracy = dtypes, against, accuracy
        self.tolerance, self.signs, self.unknown, self.label = tolerance, signs, unknown, label

    @property
    def name(self):
        function = getattr(self.function, "__name__", type(self.function).__name__)
        sizes = ",".join("x".join(map(str, i.shape)) or "()" for i in self.inputs if isinstance(i, Sample))
        extras = ",".join(f"{k}={v}" for k, v in self.options.items())
        return " ".join(filter(None, [function, f"[{sizes}]", extras, self.label]))

    # --- building --------------------------------------------------------------------------------

    def build(self, dtype, known=2):
        """The placeholders and the flat outputs, in the default graph.

        known : 2: shapes are known; 1: dimensions are not; 0: ranks neither
        """
        feeds, arguments = [], []
        for value in self.inputs:
            if isinstance(value, Sample):
                shape = value.shape if known == 2 else [None] * len(value.shape) if known else None
                value = placeholder(value.dtype or dtype, shape)
                feeds.append(value)
            arguments.append(value)
        return feeds, flat_tensors(self.function(*arguments, **self.options))

    def reshaped(self, shapes):
        """The row with its samples in other shapes: those of `shapes` in turn."""
        rest = itertools.cycle(shapes)
        inputs = [v.reshaped(next(rest)) if isinstance(v, Sample) else v for v in self.inputs]
        return Row(self.function, *inputs, tolerance=self.tolerance, **self.options)

    def draw(self, dtype):
        """Arrays for the samples; the seed follows from the row's name, so that a failure comes back."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        samples = [v for v in self.inputs if isinstance(v, Sample)]
        for _ in range(1000):
            arrays = [s.draw(rng, dtype) for s in samples]
            if not self.keep_apart or _apart(arrays) >= self.keep_apart:
                return arrays
        raise AssertionError(f"{self.name}: no draw keeps the inputs {self.keep_apart} apart")

    def dtypes_of(self):
        """The dtypes to try: those that every op that takes a sample allows.

        To those that the row names, if float32 is among them, come the types of 16 bits.
        """
        if all(s.dtype is not None for s in self.inputs if isinstance(s, Sample)):
            return [dtypes.as_dtype(d) for d in self.dtypes or ("float32",)]
        named = [dtypes.as_dtype(d) for d in self.dtypes or ()]
        if self.dtypes is not None and dtypes.float32 not in named:
            return named
        allowed = self._allowed_dtypes()
        if self.dtypes is None:
            return allowed
        return named + [d for d in _SIXTEEN_BITS if d in allowed and d not in named and self._can_be_built(d)]

    def _can_be_built(self, dtype):
        """Whether the ops behind those that take the samples allow a dtype, too."""
        with Graph().as_default():
            try:
                self.build(dtype)
            except errors.DTypeError:
                return False
        return True

    def _allowed_dtypes(self):
        first = self._first_dtype()
        with Graph().as_default():
            feeds, _ = self.build(first)
            allowed = set(_TRIED)
            for feed, sample in zip(feeds, [s for s in self.inputs if isinstance(s, Sample)]):
                if sample.dtype is None:
                    for op in feed.consumers():
                        allowed &= _allowed(op, feed)
        return [d for d in _TRIED if d in allowed]

    def _first_dtype(self):
        if isinstance(self.function, OpDeclaration):
            letters = [a.letter for a, value in zip(self.function.inputs, self.inputs)
                       if a.letter and isinstance(value, Sample) and value.dtype is None]
            for letter in letters:
                allowed = self.function.letters.get(letter)
                if allowed and dtypes.float32 not in allowed:
                    return allowed[0]
        return dtypes.float32

    # --- checks ----------------------------------------------------------------------------------

    def check(self):
        """All checks, for all dtypes; AssertionError says which failed."""
        for dtype in self.dtypes_of():
            arrays = self.draw(dtype)
            try:
                expected = self._check_reference(dtype, arrays)
                self._check_devices(dtype, arrays, expected)
            except Exception as error:
                raise AssertionError(f"{self.name}, {dtype.name}: {type(error).__name__}: {error}") from error
        self._check_source()
        self._check_gradient()
        self._check_empty()

    def _check_reference(self, dtype, arrays):
        expected = None
        for known in (2, 1) if self.unknown == "dimensions" else (2, 1, 0) if self.unknown else (2,):
            with Graph().as_default():
                feeds, outputs = self.build(dtype, known)
                values = [np.asarray(v) for v in Evaluator().run(outputs, dict(zip(feeds, arrays)))]
                for tensor, value in zip(outputs, values):
                    _check_declared(tensor, value, known)
            expected = values if expected is None else expected
        return expected

    def _check_devices(self, dtype, arrays, expected):
        for name in device_names():
            self.check_device(name, dtype, arrays, expected)

    def check_device(self, name, dtype, arrays, expected, config=None, factor=1.0):
        """Compares the values on one device; float32 is fed with gaps between its elements and read-only, too."""
        feedings = [arrays] if dtype is not dtypes.float32 else [arrays, [_strided(a) for a in arrays],
                                                                [_read_only(a) for a in arrays]]
        with Graph().as_default() as graph, device(name):
            feeds, outputs = self.build(dtype)
            with Session(graph=graph, config=config) as session:
                for given in feedings:
                    got = session.run(outputs, dict(zip(feeds, given)))
                    for tensor, value, want in zip(outputs, got, expected):
                        value = np.asarray(value, object if want.dtype == object else None)
                        check_close(value, want, self.tolerance * factor, f"{tensor.name} on {name}", self.signs)

    def expected(self, dtype, arrays):
        """What the reference bodies give."""
        with Graph().as_default():
            feeds, outputs = self.build(dtype)
            return [np.asarray(v) for v in Evaluator().run(outputs, dict(zip(feeds, arrays)))]

    def _check_source(self):
        if self.against is None:
            return
        dtype = next((d for d in (dtypes.float64, dtypes.float32) if d in self.dtypes_of()), self.dtypes_of()[0])
        arrays = self.draw(dtype)
        with Graph().as_default():
            feeds, outputs = self.build(dtype)
            values = Evaluator().run(outputs, dict(zip(feeds, arrays)))
        source = self.against(*arrays)
        source = source if isinstance(source, (list, tuple)) else [source]
        accuracy = max(self.accuracy, 0 if dtype is not dtypes.float32 else 2e-6)
        assert len(source) == len(values), f"{self.name}: the source gives {len(source)} values, not {len(values)}"
        for tensor, value, want in zip(outputs, values, source):
            want = np.asarray(want)
            assert np.shape(value) == want.shape, f"{self.name}: {np.shape(value)} against {want.shape} of the source"
            if want.dtype == object:
                assert np.asarray(value).tolist() == want.tolist()
            else:
                np.testing.assert_allclose(value, want.astype(tensor.dtype.base_dtype.np), accuracy, accuracy,
                                           err_msg=f"{self.name} against its source")

    def _check_gradient(self):
        """In float64, or float32 where that is all; in complex128 too, of the first order."""
        allowed = self.dtypes_of()
        real = next((d for d in (dtypes.float64, dtypes.float32) if d in allowed), None)
        if self.gradient and real:
            with Graph().as_default():
                self.differentiate(real, 2 if self.second else 1)
        if self.gradient and dtypes.complex128 in allowed:
            with Graph().as_default():
                self.differentiate(dtypes.complex128, 1)

    def smooth_parts(self, feeds, outputs):
        """(outputs that have a gradient, positions of the feeds that they have one for)."""
        smooth = [s.is_smooth for s in self.inputs if isinstance(s, Sample)]
        return ([y for y in outputs if is_differentiable(y.dtype)],
                [k for k, (x, s) in enumerate(zip(feeds, smooth)) if s and is_differentiable(x.dtype)])

    def differentiate(self, dtype, order, evaluate=None):
        """Checks gradients in the default graph; `evaluate` as in gradient_check.Check."""
        arrays = self.draw(dtype)
        feeds, outputs = self.build(dtype)
        ys, places = self.smooth_parts(feeds, outputs)
        if ys and places:
            others = {x: a for k, (x, a) in enumerate(zip(feeds, arrays)) if k not in places}
            seed = zlib.crc32(self.name.encode())
            try:
                Check(ys, [feeds[k] for k in places], [arrays[k] for k in places], others, seed, evaluate).run(order)
            except Exception as error:
                raise AssertionError(f"{self.name}, {dtype.name}, seed {seed}: {type(error).__name__}: "
                                     f"{error}") from error

    def _check_empty(self):
        """An elementwise op of empty inputs gives an empty result."""
        samples = [s for s in self.inputs if isinstance(s, Sample)]
        if not isinstance(self.function, OpDeclaration) or self.function.kind != "elementwise" or not samples:
            return
        if len({s.shape for s in samples}) != 1 or not samples[0].shape or len(samples) != len(self.inputs):
            return
        shape = (0,) + samples[0].shape[1:]
        empty = Row(self.function, *[Sample(shape, lambda rng, shape, dtype: np.zeros(shape), s.dtype)
                                     for s in samples], gradient=False, unknown=False, **self.options)
        dtype = self.dtypes_of()[0]
        arrays = empty.draw(dtype)
        empty._check_devices(dtype, arrays, empty._check_reference(dtype, arrays))

    def op_types(self):
        """The types of all ops that the row's graph has, its gradients included."""
        found = set()
        for dtype in self.dtypes_of()[:2]:
            with Graph().as_default() as graph:
                feeds, outputs = self.build(dtype)
                ys = [y for y in outputs if is_differentiable(y.dtype) and y.dtype.is_floating]
                xs = [x for x in feeds if is_differentiable(x.dtype) and x.dtype.is_floating]
                if self.gradient and ys and xs:
                    first = [convert_to_tensor(g) for g in gradients(ys, xs) if g is not None]
                    if self.second and first:
                        gradients(first, xs)
                found |= {op.type for op in graph.get_operations()}
        return found


class Bad:
    """A call that must raise while the graph is built; `match` is a pattern that its message contains.

    error : exception class, ValueError or TypeError by default
    """

    def __init__(self, function, *inputs, match, error=(ValueError, TypeError), dtype="float32", label="", **options):
        self.row = Row(function, *inputs, label=label, **options)
        self.match, self.error, self.dtype = match, error, dtypes.as_dtype(dtype)

    @property
    def name(self):
        return f"bad {self.row.name}"

    def check(self):
        with Graph().as_default():
            try:
                self.row.build(self.dtype)
            except self.error as error:
                assert re.search(self.match, str(error)), f"{self.name}: {error!s} does not match {self.match!r}"
                return
        raise AssertionError(f"{self.name}: nothing was raised")

    def op_types(self):
        return set()


def table_test(rows):
    """A parametrised pytest function that checks each row."""
    import pytest
    names = [row.name for row in rows]

    @pytest.mark.parametrize("row", rows, ids=[f"{i}: {n}"[:120] for i, n in enumerate(names)])
    def test(row):
        row.check()
    test.rows = rows
    return test


# --- helpers ----------------------------------------------------------------------------------------

def device_names():
    """The devices that a row runs on: all that are there but the reference, which the bodies stand for."""
    return [row.name for row in devices.list_devices() if row.state == "open" and "REFERENCE" not in row.name]


def flat_tensors(value):
    """The tensors in what a builder gives: one, several, nested, IndexedSlices by their parts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, IndexedSlices):
        return [value.values, value.indices]
    if isinstance(value, Operation) or value is None:
        return []
    return [t for item in value for t in flat_tensors(item)]


def _allowed(op, tensor):
    """The dtypes that an op takes for this input."""
    position, k = 0, [i for i, t in enumerate(op.inputs) if t is tensor][0]
    for argument in op.declaration.inputs:
        count = 1
        if argument.is_list:
            count = op.attrs[argument.count] if argument.count else len(op.attrs[argument.letter])
        if position <= k < position + count:
            if argument.letter is None:
                return {argument.dtype}
            allowed = op.declaration.letters.get(argument.letter)
            return set(_TRIED) if allowed is None else set(allowed)
        position += count
    raise AssertionError(f"{op.name} has no input {k}")


def _apart(arrays):
    """The least distance of any two inputs, element by element."""
    least = np.inf
    arrays = [numbers_of(a) for a in arrays]
    for i, a in enumerate(arrays):
        for b in arrays[i + 1:]:
            if a.size and b.size:
                least = min(least, np.min(np.abs(np.subtract(a, b, dtype=np.float64))))
    return least


def _strided(array):
    """The same values with gaps between them."""
    if not array.ndim:
        return array
    wide = np.empty(tuple(2 * d for d in array.shape), array.dtype)
    view = wide[tuple([np.s_[::2]] * array.ndim)]
    view[...] = array
    return view


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def _check_declared(tensor, value, known):
    dtype = tensor.dtype.base_dtype
    assert value.dtype == dtype.np, f"{tensor.name} is declared {dtype.name}, its value is {value.dtype}"
    assert shapes.compatible(tensor._shape, value.shape), \
        f"{tensor.name} is declared {shapes.text(tensor._shape)}, its value has shape {value.shape}" \
        f"{['; ranks unknown', '; dimensions unknown', ''][known]}"


def numbers_of(array):
    """The values of an array that NumPy can compute with: bfloat16, the bits or a user's, as float32."""
    if array.dtype == dtypes.bfloat16.np:
        return to_float32(array)
    return array.astype(np.float32) if dtypes.is_numpy_bfloat16(array.dtype) else array


def check_close(got, want, factor, what, signs=False):
    """AssertionError where an array is not what the bodies give: shape, dtype, and values within `factor` tolerances.

    With `signs` zeros have the sign of those that the bodies give.
    bfloat16 is `want` as bits, and `got` as bits or as a user gets it.
    """
    assert got.shape == want.shape, f"{what} has shape {got.shape}, not {want.shape}"
    name = "bfloat16" if want.dtype == dtypes.bfloat16.np else want.dtype.name
    known = (want.dtype, dtypes.numpy_bfloat16()) if name == "bfloat16" else (want.dtype,)
    assert got.dtype in known, f"{what} is {got.dtype}, not {name}"
    got, want = numbers_of(got), numbers_of(want)
    relative = _TOLERANCE.get(name)
    if relative is None:
        assert np.array_equal(got, want), f"{what}: {got!r}, not {want!r}"
        return
    sizes = np.sort(np.abs(want[np.isfinite(want) & (want != 0)]))
    scale = min(float(sizes[-1]), _SPREAD * float(sizes[(sizes.size - 1) // 2])) if sizes.size else 0.0
    np.testing.assert_allclose(got, want, relative * factor, relative * factor * min(scale, 1e30), err_msg=what)
    if signs:
        parts = [(got.real, want.real), (got.imag, want.imag)] if np.iscomplexobj(want) else [(got, want)]
        assert all(np.array_equal(np.signbit(a[b == 0]), np.signbit(b[b == 0])) for a, b in parts), \
            f"{what}: {got!r}, not {want!r}: the signs of zeros differ"
