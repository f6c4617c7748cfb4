"""Resizing images."""
from ..exporter import converts


@converts("ResizeBilinear", "ResizeNearestNeighbor")
def resize(c, op):
    images, size = op.inputs
    is_nearest = op.type == "ResizeNearestNeighbor"
    name = c.first(images)
    form = "align_corners" if op.attrs["align_corners"] else "half_pixel" if op.attrs["half_pixel_centers"] \
        else "asymmetric"
    if is_nearest and form == "half_pixel":
        form = "tf_half_pixel_for_nn"
    known = c.array(size)
    if known is not None and c.shape(images)[0] is not None and c.shape(images)[3] is not None:
        sizes = c.ints([c.shape(images)[0], c.shape(images)[3], *known])
    else:
        shape = c.add("Shape", [name], f"{op.name}/shape")
        front = c.add("Slice", [shape, c.ints([0]), c.ints([2])], f"{op.name}/front")
        sizes = c.add("Concat", [front, c.as_int64(size)], f"{op.name}/sizes", axis=0)
    rounding = {"nearest_mode": "round_prefer_ceil" if form == "align_corners" else "floor"} if is_nearest else {}
    result = c.add("Resize", [name, "", "", sizes], mode="nearest" if is_nearest else "linear",
                   coordinate_transformation_mode=form, **rounding)
    c.set_first(op.outputs[0], result)
