"""Recognising a dilated convolution as TensorFlow 1.x writes it: SpaceToBatchND, convolution, BatchToSpaceND."""

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def end_of_dilation(c, tensor):
    """The BatchToSpaceND that ends a dilated convolution whose SpaceToBatchND gives `tensor`, or None."""
    if tensor.op.type != "SpaceToBatchND":
        return None
    convolution = _only_consumer(c, tensor)
    if convolution is None or convolution.type not in CONVOLUTIONS or not _is_plain(convolution, tensor):
        return None
    last = _only_consumer(c, convolution.outputs[0])
    return last if last is not None and last.type == "BatchToSpaceND" and last.inputs[0].op is convolution else None


def _is_plain(convolution, tensor):
    attrs = convolution.attrs
    return (convolution.inputs[0] is tensor and attrs["padding"] == "VALID" and attrs["data_format"] == "NHWC"
            and all(s == 1 for s in (*attrs["strides"], *attrs["dilations"])))


def _only_consumer(c, tensor):
    found = c.consumers(tensor)
    return found[0] if len(found) == 1 else None
