"""Where windows lie: the sizes and attributes of convolutions and pooling, checked against each other."""
from thalweg.cpu._request import Unsupported


cdef class Geometry:
    """Windows of a channels-last tensor, with three spatial axes z, y, x.

    Window i of an axis covers positions `i*step - before + k*dilation` for 0 <= k < window; what lies outside of
    `size` is padding.
    """

    def __init__(self, Request r, tuple x_shape, tuple y_shape, window, step, dilation):
        self.rank = len(x_shape) - 2
        self.images, self.channels = x_shape[0], x_shape[self.rank + 1]
        self.size, self.places = _volume(x_shape[1:self.rank + 1]), _volume(y_shape[1:self.rank + 1])
        self.window, self.step, self.dilation = _volume(window), _volume(step), _volume(dilation)
        if min(self.step + self.dilation + self.window) < 1:
            raise Unsupported(f"{r.op_type}: windows {window}, strides {step} and dilations {dilation} must be "
                              "positive")
        self.before = self._paddings(r)
        if y_shape[0] != self.images:
            raise Unsupported(f"{r.op_type}: {self.images} images on one side, {y_shape[0]} on the other")

    cdef tuple _paddings(self, Request r):
        """Padding before the first position of each axis; the places must be those that it gives."""
        padding = r.attr_str("padding")
        explicit = r.attr_ints("explicit_paddings", ()) if padding == "EXPLICIT" else ()
        before = []
        for k in range(3):
            reach = (self.window[k] - 1) * self.dilation[k] + 1
            axis = k - 3 + self.rank                       # among the tensor's spatial axes; negative: absent
            if padding == "SAME":
                places = -(-self.size[k] // self.step[k])
                before.append(max(0, (places - 1) * self.step[k] + reach - self.size[k]) // 2)
            elif padding == "VALID" or axis < 0:
                places = max(0, -(-(self.size[k] - reach + 1) // self.step[k]))
                before.append(0)
            elif padding == "EXPLICIT" and len(explicit) == 2 * (self.rank + 2):
                low, high = explicit[2 * axis + 2], explicit[2 * axis + 3]
                places = max(0, -(-(self.size[k] + low + high - reach + 1) // self.step[k]))
                before.append(low)
            else:
                raise Unsupported(f"{r.op_type}: padding {padding!r} with explicit_paddings {list(explicit)}")
            if places != self.places[k]:
                raise Unsupported(f"{r.op_type}: {places} windows on spatial axis {axis}, the shapes say "
                                  f"{self.places[k]}")
        return tuple(before)


cdef tuple _volume(sizes):
    """z, y, x, with 1 for axes that are absent."""
    return (1,) * (3 - len(sizes)) + tuple(sizes)


cdef tuple _spatial(Request r, str name, int rank, default=None):
    """The spatial part of an attribute with one number per axis."""
    values = r.attr_ints(name) if default is None else r.attr_ints(name, default)
    if not values:
        return (1,) * rank
    if len(values) != rank + 2 or values[0] != 1 or values[rank + 1] != 1:
        raise Unsupported(f"{r.op_type}: {name} {list(values)} over {rank} spatial axes; 1 is expected at both ends")
    return values[1:rank + 1]


cdef int _check_layout(Request r, int rank) except -1:
    layout = r.attr_str("data_format", "")
    if rank not in (1, 2, 3) or layout not in ("", "NHWC", "NDHWC"):
        raise Unsupported(f"{r.op_type}: data_format {layout!r} with {rank} spatial axes; channels-last only")
    return 0


cdef Geometry conv_geometry(Request r, tuple x_shape, tuple filter_shape, tuple y_shape):
    """Windows of the image side of a convolution. Raises Unsupported where the sizes do not fit each other.

    The caller checks y's channels, which depend on the kind of convolution.
    """
    cdef int rank = len(x_shape) - 2
    _check_layout(r, rank)
    if len(filter_shape) != rank + 2 or len(y_shape) != rank + 2:
        raise Unsupported(f"{r.op_type}: ranks of {x_shape}, {filter_shape} and {y_shape} differ")
    if filter_shape[rank] != x_shape[rank + 1]:
        raise Unsupported(f"{r.op_type}: {x_shape[rank + 1]} channels, but the filter takes {filter_shape[rank]}")
    return Geometry(r, x_shape, y_shape, filter_shape[:rank], _spatial(r, "strides", rank),
                    _spatial(r, "dilations", rank, ()))


cdef Geometry full_geometry(Request r, tuple x_shape, tuple filter_shape, tuple y_shape):
    """Windows of a convolution over all channels."""
    cdef Geometry g = conv_geometry(r, x_shape, filter_shape, y_shape)
    if y_shape[g.rank + 1] != filter_shape[g.rank + 1]:
        raise Unsupported(f"{r.op_type}: {filter_shape[g.rank + 1]} filters for {y_shape[g.rank + 1]} channels")
    return g


cdef Geometry pool_geometry(Request r, tuple x_shape, tuple y_shape):
    """Windows of a pooling's input; its windows and strides are attributes."""
    cdef int rank = len(x_shape) - 2
    _check_layout(r, rank)
    if len(y_shape) != rank + 2 or y_shape[rank + 1] != x_shape[rank + 1]:
        raise Unsupported(f"{r.op_type}: shapes {x_shape} and {y_shape} differ in rank or channels")
    return Geometry(r, x_shape, y_shape, _spatial(r, "ksize", rank), _spatial(r, "strides", rank), (1,) * rank)
