"""Slices: tf.slice and x[1:, ::2, 0]."""
import numpy as np

from ..exporter import channels_first_axes, converts

_FIRST, _LAST = -(1 << 63), (1 << 63) - 1


@converts("Slice")
def slice_(c, op):
    x, begin, size = op.inputs
    start, count = c.array(begin), c.array(size)
    if start is not None and count is not None:
        stop = [_LAST if n == -1 else int(b) + int(n) for b, n in zip(start, count)]
        return _sliced(c, op, [int(b) for b in start], stop, [1] * len(stop), range(len(stop)))
    start, count = c.as_int64(begin), c.as_int64(size)
    to_end = c.add("Equal", [count, c.ints(-1)], f"{op.name}/to_end")
    stop = c.add("Where", [to_end, c.ints(_LAST), c.add("Add", [start, count], f"{op.name}/sum")], f"{op.name}/stop")
    return c.set_plain(op.outputs[0], c.add("Slice", [c.plain(x), start, stop]))


def _sliced(c, op, start, stop, step, axes, is_last=True):
    """Slices by known numbers, of images in the form that is there; gives (name, whether channels are first)."""
    x = op.inputs[0]
    is_first = c.is_first(x)
    axes = list(axes)
    kept = [i for i in range(len(axes)) if not (start[i] in (0, _FIRST) and stop[i] == _LAST and step[i] == 1)]
    name = c.in_form(x, is_first)
    if kept:
        places = [channels_first_axes(c.rank(x)).index(axes[i]) if is_first else axes[i] for i in kept]
        numbers = [c.ints([values[i] for i in kept]) for values in (start, stop)]
        name = c.add("Slice", [name, *numbers, c.ints(places), c.ints([step[i] for i in kept])],
                     None if is_last else f"{op.name}/part")
        if is_last:
            c.set_in_form(op.outputs[0], name, is_first)
    elif is_last:
        c.alias(op.outputs[0], x)
    return name, is_first


@converts("StridedSlice")
def strided_slice(c, op):
    arrays = [c.array(t) for t in op.inputs[1:]]
    if None in [None if a is None else 0 for a in arrays]:
        return _dynamic(c, op, arrays)
    rank = c.rank(op.inputs[0])
    start, stop, step, squeezed, added = _dense(c, op.attrs, *arrays, rank)
    is_last = not squeezed and not added
    name, is_first = _sliced(c, op, start, stop, step, range(rank), is_last)
    if is_last:
        return None
    if is_first:                                               # the axes that go or come are those of the plain form
        from ..exporter import channels_last_axes
        name = c.transposed(name, channels_last_axes(rank))
    if squeezed:
        name = c.add("Squeeze", [name, c.ints(squeezed)], op.name)
    if added:
        name = c.add("Unsqueeze", [name, c.ints(added)], op.name)
    return c.set_plain(op.outputs[0], name)


def _dense(c, attrs, begin, end, strides, rank):
    """(start, stop, step) for each axis of the tensor, axes to squeeze, axes of the result to add."""
    count = len(begin)
    ellipsis = next((i for i in range(count) if attrs["ellipsis_mask"] >> i & 1), None)
    new = [i for i in range(count) if attrs["new_axis_mask"] >> i & 1 and i != ellipsis]
    given = count - len(new) - (ellipsis is not None)
    start, stop, step, squeezed, added, place = [], [], [], [], [], 0
    for i in range(count if ellipsis is not None else count + 1):
        if i == count or i == ellipsis:
            wide = rank - given
            start, stop, step = start + [0] * wide, stop + [_LAST] * wide, step + [1] * wide
            place += wide
        elif i in new:
            added.append(place)
            place += 1
        else:
            stride = int(strides[i])
            is_single = attrs["shrink_axis_mask"] >> i & 1
            first, last = int(begin[i]), int(end[i])
            if is_single:
                squeezed.append(len(start))
                start, stop, step = [*start, first], [*stop, first + 1 if first != -1 else _LAST], [*step, 1]
                continue
            if attrs["begin_mask"] >> i & 1:
                first = 0 if stride > 0 else _LAST
            if attrs["end_mask"] >> i & 1:
                last = _LAST if stride > 0 else _FIRST
            start, stop, step = [*start, first], [*stop, last], [*step, stride]
            place += 1
    return start, stop, step, squeezed, added


def _dynamic(c, op, arrays):
    """Begin or end come when the model runs: one step, and no axis made or left out but single ones."""
    attrs, (x, begin, end, _) = op.attrs, op.inputs
    if attrs["ellipsis_mask"] or attrs["new_axis_mask"] or arrays[2] is None or any(s != 1 for s in arrays[2]):
        c.fail("begin or end is not constant, which ONNX takes only with steps of 1, without ... and tf.newaxis")
    count = len(arrays[2])
    start, stop = c.as_int64(begin), c.as_int64(end)
    single = np.array([attrs["shrink_axis_mask"] >> i & 1 for i in range(count)], bool)
    start = _masked(c, op, start, attrs["begin_mask"], count, 0)
    if single.any():
        following = c.add("Add", [start, c.ints(1)], f"{op.name}/next")
        following = c.add("Where", [c.add("Equal", [following, c.ints(0)], f"{op.name}/was_last"), c.ints(_LAST),
                                    following], f"{op.name}/following")
        stop = c.add("Where", [c.constant(single), following, stop], f"{op.name}/stop")
    stop = _masked(c, op, stop, attrs["end_mask"], count, _LAST)
    name = c.add("Slice", [c.plain(x), start, stop, c.ints(range(count))], f"{op.name}/part" if single.any() else None)
    if single.any():
        name = c.add("Squeeze", [name, c.ints(np.flatnonzero(single))])
    c.set_plain(op.outputs[0], name)


def _masked(c, op, name, mask, count, value):
    bits = np.array([mask >> i & 1 for i in range(count)], bool)
    return c.add("Where", [c.constant(bits), c.ints(value), name], f"{name}/masked") if bits.any() else name
