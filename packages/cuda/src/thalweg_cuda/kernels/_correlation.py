"""Convolutions as products by tiles: a row is a place of the window, a depth an element of it (a tap) and a channel.

The three directions differ by their addresses alone:

    forward             y[place, f]    = sum over (tap, c)   of x[place + tap, c] w[tap, c, f]
    gradient of x       dx[place', c]  = sum over (tap, f)   of dy[place' - tap, f] w[tap, c, f], by phases of strides
    gradient of w       dw[tap, c, f]  = sum over places     of x[place + tap, c] dy[place, f]
"""
import itertools
import math
from typing import NamedTuple

from thalweg_cuda.work import Fill, Unsupported, output

from ._frame import add_divisor
from ._tiles import Factor, Product, Result, launches


class Sliding(NamedTuple):
    """How windows slide over x, for place p and tap q of an axis: position start + p * step + q * tap. z, y, x.

    `places`, `taps`: how many there are; `depth`: channels. `y`: the Layout of dy, where it is read by places.
    `filter_steps`: elements of the filters between taps, where they are read by taps.
    """

    start: tuple
    step: tuple
    tap: tuple
    places: tuple
    taps: tuple
    depth: int
    x: object                    # the Layout that is read
    filter_steps: tuple = ()
    y: object = None

    def fields(self, frame):
        """Adds what _window_text.WINDOWS reads to a Frame."""
        for axis, letter in enumerate("zyx"):
            frame.add("int", **{f"start_{letter}": self.start[axis], f"step_{letter}": self.step[axis],
                                f"tap_{letter}": self.tap[axis], f"size_{letter}": self.x.size[axis]})
        for letter, size in zip("zyx", self.places):
            add_divisor(frame, f"o{letter}", size)
        for letter, size in zip("yx", self.taps[1:]):
            add_divisor(frame, f"q{letter}", size)
        add_divisor(frame, "depth", self.depth)
        frame.add("INDEX", x_n=self.x.n, x_z=self.x.z, x_y=self.x.y, x_x=self.x.x, x_c=self.x.c)
        frame.add("INDEX", **dict(zip(("w_z", "w_y", "w_x"), self.filter_steps)))
        if self.y is not None:
            frame.add("INDEX", d_n=self.y.n, d_z=self.y.z, d_y=self.y.y, d_x=self.y.x)


def groups_of(request, channels, filter_shape, filters):
    """How many groups of channels the filters work on; Unsupported where the counts do not fit."""
    per_group, count = filter_shape[-2:]
    groups = channels // per_group if per_group else 1
    if count != filters or groups * per_group != channels or count % max(groups, 1):
        raise Unsupported(f"{request.op_type}: filters of shape {filter_shape} for {channels} channels and {filters} "
                          "results")
    return max(groups, 1)


def _extent(w, filter_shape):
    return max(w.x.count, w.y.count, math.prod(filter_shape))


def _is_product(w, groups):
    """Whether windows are single pixels, each of them taken: then x and y are matrices of pixels and channels."""
    return w.window == w.step == (1, 1, 1) and not any(w.before) and w.x.size == w.y.size and w.x.c == w.y.c == 1 \
        and groups == 1


def forward(dtype, w, filter_shape, groups, x, filters, y, epilogue=None):
    """The Product of a convolution of Windows w; x, filters, y: operands."""
    depth, count = filter_shape[-2], filter_shape[-1] // groups
    if _is_product(w, groups):
        return Product(dtype, w.y.images * w.places, count, depth, Factor(x, row_stride=depth, depth_stride=1),
                       Factor(filters, is_along_k=False, row_stride=1, depth_stride=count),
                       Result(y, row_stride=count), _extent(w, filter_shape), epilogue=epilogue)
    sliding = Sliding(tuple(-b for b in w.before), w.step, w.dilation, w.y.size, w.window, depth, w.x)
    a = _window_factor(x, "PLACES_BY_TAPS", w.x, depth, is_taps_along=w.x.c == 1, group=depth)
    b = Factor(filters, is_along_k=False, row_stride=1, depth_stride=filter_shape[-1],
               batch_strides=(0, 0, 0, count))
    return Product(dtype, w.y.images * w.places, count, w.taps * depth, a, b, _places_of_y(w.y, y, count, groups),
                   _extent(w, filter_shape), (1, 1, 1, groups), epilogue, sliding.fields, w.rank)


def _window_factor(operand, kind, x, depth, is_taps_along, group):
    """A factor read through windows; four channels are one load where they lie together."""
    together = x.c == 1 and depth % 4 == 0 and x.channels % 4 == 0
    along_k = is_taps_along if kind == "PLACES_BY_TAPS" else not is_taps_along
    return Factor(operand, kind, along_k, batch_strides=(0, 0, 0, group * x.c), can_be_vector=together)


def _places_of_y(y, operand, count, groups):
    """Results at all places of y, in order."""
    batch = count * y.c if groups > 1 else 0
    if y.c == 1:
        return Result(operand, row_stride=y.channels, batch_stride=batch)
    return Result(operand, column_stride=y.c, batch_stride=batch, by_places=(y.n, y.z, y.y, y.x))


def image_gradient(dtype, w, filter_shape, groups, filters, dy, dx):
    """The Products, one for each phase of the stride, that make dx; and whether some of dx is in no product: zeros."""
    if _is_product(w, groups):
        channels, count = filter_shape[-2:]
        return [Product(dtype, w.x.images * w.places, channels, count, Factor(dy, row_stride=count, depth_stride=1),
                        Factor(filters, row_stride=count, depth_stride=1), Result(dx, row_stride=channels),
                        _extent(w, filter_shape))], False
    products, is_partial = [], False
    for phase in itertools.product(*[range(min(s, n)) for s, n in zip(w.step, w.x.size)]):
        taps = [_phase_taps(w, axis, phase[axis]) for axis in range(3)]
        if all(count for _, _, count in taps):
            products.append(_phase_product(dtype, w, filter_shape, groups, filters, dy, dx, phase, taps))
        else:
            is_partial = True
    return products, is_partial


def _phase_taps(w, axis, phase):
    """First, step and number of the taps k by which windows cover positions phase + i * step of an axis."""
    step, dilation = w.step[axis], w.dilation[axis]
    found = [k for k in range(w.window[axis]) if (phase + w.before[axis] - k * dilation) % step == 0]
    return (found[0], step // math.gcd(step, dilation), len(found)) if found else (0, 1, 0)


def _phase_product(dtype, w, filter_shape, groups, filters, dy, dx, phase, taps):
    channels, count = filter_shape[-2], filter_shape[-1] // groups
    first, tap_step, numbers = zip(*taps)
    start = tuple((phase[i] + w.before[i] - first[i] * w.dilation[i]) // w.step[i] for i in range(3))
    tap = tuple(-tap_step[i] * w.dilation[i] // w.step[i] for i in range(3))
    places = tuple(-(-(w.x.size[i] - phase[i]) // w.step[i]) for i in range(3))
    plane = channels * filter_shape[-1]
    along = (w.window[1] * w.window[2] * plane, w.window[2] * plane, plane)
    sliding = Sliding(start, (1, 1, 1), tap, places, numbers, count, w.y,
                      tuple(s * t for s, t in zip(along, tap_step)))
    a = _window_factor(dy, "PLACES_BY_TAPS", w.y, count, is_taps_along=w.y.c == 1, group=count)
    # k counts taps and filters, of which a row of w has those of all groups
    b = Factor(filters + dtype.nbytes * sum(f * s for f, s in zip(first, along)), "FILTER_TAPS", True,
               filter_shape[-1], 1, (0, 0, 0, count), can_be_vector=count % 4 == 0)
    strides = [w.x.z, w.x.y, w.x.x]
    y = Result(dx + dtype.nbytes * sum(p * s for p, s in zip(phase, strides)), column_stride=w.x.c,
               batch_stride=channels * w.x.c if groups > 1 else 0,
               by_places=(w.x.n, *(s * t for s, t in zip(strides, w.step))))
    if w.step == (1, 1, 1) and w.x.c == 1:
        y = y._replace(row_stride=w.x.channels, by_places=())
    return Product(dtype, w.x.images * math.prod(places), channels, math.prod(numbers) * count, a, b, y,
                   _extent(w, filter_shape), (1, 1, 1, groups), None, sliding.fields, w.rank)


def filter_gradient(dtype, w, filter_shape, groups, x, dy, dw):
    """The Product of the gradient of the filters."""
    depth, count = filter_shape[-2], filter_shape[-1] // groups
    if _is_product(w, groups):
        return Product(dtype, depth, count, w.y.images * w.places,
                       Factor(x, is_along_k=False, row_stride=1, depth_stride=depth),
                       Factor(dy, is_along_k=False, row_stride=1, depth_stride=count), Result(dw, row_stride=count),
                       _extent(w, filter_shape))
    sliding = Sliding(tuple(-b for b in w.before), w.step, w.dilation, w.y.size, w.window, depth, w.x)
    a = _window_factor(x, "TAPS_BY_PLACES", w.x, depth, is_taps_along=w.x.c == 1, group=depth)
    b = Factor(dy, is_along_k=False, row_stride=1, depth_stride=w.y.channels, batch_strides=(0, 0, 0, count))
    if w.y.c != 1:
        sliding = sliding._replace(y=w.y)
        b = Factor(dy, "RESULT_PLACES", True, w.y.c, 0, (0, 0, 0, count * w.y.c), can_be_vector=False)
    return Product(dtype, w.taps * depth, count, w.y.images * w.places, a, b,
                   Result(dw, row_stride=filter_shape[-1], batch_stride=count if groups > 1 else 0),
                   _extent(w, filter_shape), (1, 1, 1, groups), None, sliding.fields, w.rank)


def commands(products, target, zeroed=0):
    """The commands of products that make output 0 together, and their workspace; `zeroed` bytes are cleared before."""
    found, workspace = [Fill(output(), zeroed)] if zeroed else [], 0
    for product in products:
        steps, needed = launches(product, target)
        found += steps
        workspace = max(workspace, needed)
    return tuple(found), workspace
