"""The ops of summaries: each gives the bytes of a Summary message."""
import numpy as np

from thalweg.framework import dtypes, errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType, bfloat16, float32, uint8

from ..tensor_proto import tensor_proto
from .audio import encode_wav
from .histogram import histogram
from .image import encode_png, to_bytes

_REALS = dtypes.REALS + (bfloat16,)
_PIXELS = (uint8, *dtypes.FLOATS)
_RED = np.array([255, 0, 0, 255], np.uint8)


def _message(values):
    """The bytes of a Summary of [(tag, fields of a Summary.Value)], as a scalar string."""
    from ..protos import Summary
    found = Summary()
    for tag, fields in values:
        found.value.add(tag=tag, **fields)
    return np.array(found.SerializeToString(deterministic=True), np.object_)


def _text(tag):
    return tag.item().decode("utf-8", "replace")


def _floats(array):
    if array.dtype.names:                                     # bfloat16 is the upper half of a float32
        return (array[array.dtype.names[0]].astype(np.uint32) << 16).view(np.float32)
    return array


@define_op("ScalarSummary", "tags: string, values: T -> summary: string[]", T=_REALS)
def scalar_summary(tags, values):
    """One number per tag; `tags` and `values` have the same shape."""
    if tags.shape != values.shape:
        name = f" (tag {_text(tags)!r})" if tags.ndim == 0 else ""
        raise errors.InvalidArgumentError(None, None, f"tags and values not the same shape: {list(tags.shape)} != "
                                                      f"{list(values.shape)}{name}")
    return _message((tag.decode("utf-8", "replace"), {"simple_value": value})
                    for tag, value in zip(tags.ravel().tolist(), _floats(values).ravel().tolist()))


@define_op("HistogramSummary", "tag: string[], values: T -> summary: string[]", T=_REALS)
def histogram_summary(tag, values, *, T: DType = float32):
    """How the elements of `values` are spread."""
    numbers = np.asarray(_floats(values), np.float64)
    if not np.isfinite(numbers).all():
        kind = "Nan" if np.isnan(numbers).any() else "Infinity"
        raise errors.InvalidArgumentError(None, None, f"{kind} in summary histogram for: {_text(tag)}")
    return _message([(_text(tag), {"histo": histogram(numbers)})])


@define_op("ImageSummary", "tag: string[], tensor: T -> summary: string[]", T=_PIXELS)
def image_summary(tag, tensor, *, max_images: int = 3, T: DType = float32,
                  bad_color: np.ndarray = _RED):
    """The first `max_images` images of `tensor` [N, H, W, C], C = 1, 3 or 4, as PNG; floats are scaled to bytes.

    Pixels with a value that is not finite become `bad_color`.
    """
    from ..protos import Summary
    if tensor.ndim != 4 or tensor.shape[-1] not in (1, 3, 4):
        raise errors.InvalidArgumentError(None, None, "Tensor must be 4-D with last dim 1, 3, or 4, not "
                                                      f"{list(tensor.shape)}")
    if 0 in tensor.shape[1:]:
        raise errors.InvalidArgumentError(None, None, f"input tensor must have non-zero dims. Found: "
                                                      f"{list(tensor.shape)}")
    if bad_color.ndim != 1 or bad_color.size < tensor.shape[-1] or bad_color.dtype != np.uint8:
        raise errors.InvalidArgumentError(None, None, f"bad_color must be a vector of {tensor.shape[-1]} or more "
                                                      f"uint8 elements, got {bad_color.dtype} {list(bad_color.shape)}")
    values = []
    for k, image in enumerate(tensor[:max_images]):
        image = image if image.dtype == np.uint8 else to_bytes(image, bad_color)
        height, width, channels = image.shape
        name = f"{_text(tag)}/image/{k}" if max_images > 1 else f"{_text(tag)}/image"
        values.append((name, {"image": Summary.Image(height=height, width=width, colorspace=channels,
                                                     encoded_image_string=encode_png(image))}))
    return _message(values)


@define_op("AudioSummaryV2", "tag: string[], tensor: float32, sample_rate: float32[] -> summary: string[]")
def audio_summary(tag, tensor, sample_rate, *, max_outputs: int = 3):
    """The first `max_outputs` sounds of `tensor` [N, frames, channels] or [N, frames], as WAV."""
    from ..protos import Summary
    if tensor.ndim not in (2, 3):
        raise errors.InvalidArgumentError(None, None, f"Tensor must be 3-D or 2-D, not {list(tensor.shape)}")
    values = []
    for k, sound in enumerate(tensor[:max_outputs]):
        frames = sound if sound.ndim == 2 else sound[:, None]          # [frames, channels]
        name = f"{_text(tag)}/audio/{k}" if max_outputs > 1 else f"{_text(tag)}/audio"
        values.append((name, {"audio": Summary.Audio(
            sample_rate=sample_rate.item(), num_channels=frames.shape[1], length_frames=frames.shape[0],
            encoded_audio_string=encode_wav(frames, sample_rate.item()), content_type="audio/wav")}))
    return _message(values)


@define_op("TensorSummaryV2", "tag: string[], tensor: T, serialized_summary_metadata: string[] -> summary: string[]",
           T=dtypes.ANY)
def tensor_summary(tag, tensor, serialized_summary_metadata):
    """A tensor as it is, for a TensorBoard plugin that the metadata name."""
    from ..protos import SummaryMetadata
    metadata = _parsed(SummaryMetadata, serialized_summary_metadata.item(), "the summary metadata")
    return _message([(_text(tag), {"tensor": tensor_proto(tensor), "metadata": metadata})])


@define_op("MergeSummary", "inputs: N*string -> summary: string[]")
def merge_summary(inputs, *, N: int):
    """All values of several Summary messages in one; each tag may occur once."""
    from ..protos import Summary
    merged, seen = Summary(), set()
    for array in inputs:
        for data in array.ravel().tolist():
            for value in _parsed(Summary, data, "one of the summary inputs").value:
                if value.tag in seen:
                    raise errors.InvalidArgumentError(None, None, f"Duplicate tag {value.tag} found in summary inputs")
                seen.add(value.tag)
                merged.value.append(value)
    return np.array(merged.SerializeToString(deterministic=True), np.object_)


def _parsed(message_class, data, what):
    from google.protobuf.message import DecodeError
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        raise errors.InvalidArgumentError(None, None, f"Could not parse {what}: {error}") from error


for _op in (scalar_summary, histogram_summary, image_summary, audio_summary, tensor_summary, merge_summary):
    _op.no_gradient("a summary is a string")
