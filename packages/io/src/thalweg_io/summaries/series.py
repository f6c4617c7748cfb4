"""What a tag held over time: the values of summaries, in one form for those of TensorFlow 1.x and 2.x.

1.x has a field for each kind (`simple_value`, `histo`, `image`, `audio`); 2.x writes a tensor, and the metadata name
the plugin that shows it. Texts are tensors in both.
"""
from typing import Any, NamedTuple

import numpy as np

from thalweg.framework import errors, shapes

from ..tensor_proto import make_ndarray

_LARGEST_FILL = 1 << 28                     # elements of a tensor that its file gives by one value


class Series(NamedTuple):
    """The values of a tag in the order in which they were written: `steps` int64 [n], `wall_times` float64 [n]
    (seconds since 1970), `values` an array float64 [n], or a list."""

    steps: np.ndarray
    wall_times: np.ndarray
    values: Any


class Histogram(NamedTuple):
    """How numbers are spread: `counts[k]` of them lie from `limits[k - 1]` (the first from `min`) up to `limits[k]`.

    2.x does not write `sum` and `sum_squares`; they are NaN then.
    """

    min: float
    max: float
    num: float
    sum: float
    sum_squares: float
    limits: np.ndarray
    counts: np.ndarray


class EncodedImage(NamedTuple):
    """An image as its file stands in the log, a PNG as a rule: `tf.image.decode_png` gives the pixels."""

    height: int
    width: int
    data: bytes


class EncodedAudio(NamedTuple):
    """A sound as its file stands in the log, a WAV as a rule; `sample_rate` in frames per second, 0 where only the
    file tells it."""

    sample_rate: float
    data: bytes


# --- from summaries ---------------------------------------------------------------------------------

def stored_value(value, plugin):
    """(kind, what is kept) of a Summary.Value; None for one that holds nothing."""
    field = value.WhichOneof("value")
    if plugin == "hparams":
        return "hparams", value.metadata.plugin_data.content
    if field == "tensor":
        return _KINDS.get(plugin, "tensors"), value.tensor
    return (_FIELDS[field], getattr(value, field)) if field in _FIELDS else None


_KINDS = {"scalars": "scalars", "histograms": "histograms", "images": "images", "audio": "audio", "text": "texts"}
_FIELDS = {"simple_value": "scalars", "histo": "histograms", "image": "images", "audio": "audio"}


def series_of(kind, rows, owner):
    """The Series of [(step, wall time, what `stored_value` gave)]; errors call it `owner`.

    Raises
    ------
    DataLossError       for a value that is not what its kind must be
    """
    steps, times, stored = zip(*rows)
    values = [_CONVERSIONS[kind](item, f"{owner} at step {step}") for step, item in zip(steps, stored)]
    if kind == "scalars":
        values = np.array(values)
    return Series(np.array(steps, np.int64), np.array(times, np.float64), values)


def _number(item, owner):
    if isinstance(item, float):
        return item
    array = _array(item, owner)
    if array.ndim or array.dtype.kind not in "fiub":
        raise _damaged(owner, f"a scalar is {array.dtype} {list(array.shape)}")
    return float(array)


def _histogram(item, owner):
    if hasattr(item, "bucket_limit"):
        if len(item.bucket_limit) != len(item.bucket):
            raise _damaged(owner, f"a histogram has {len(item.bucket_limit)} limits and {len(item.bucket)} counts")
        return Histogram(item.min, item.max, item.num, item.sum, item.sum_squares, np.array(item.bucket_limit),
                         np.array(item.bucket))
    rows = _array(item, owner)                                # [n, 3]: from, to, count
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind != "f":
        raise _damaged(owner, f"a histogram is {rows.dtype} {list(rows.shape)}, not float [n, 3]")
    left, limits, counts = np.asarray(rows, np.float64).T
    low, high = (left[0], limits[-1]) if len(rows) else (np.inf, -np.inf)
    return Histogram(float(low), float(high), float(counts.sum()), np.nan, np.nan, limits, counts)


def _images(item, owner):
    if hasattr(item, "encoded_image_string"):
        return [EncodedImage(item.height, item.width, item.encoded_image_string)]
    strings = _strings(item, owner).ravel().tolist()          # width, height, then a file for each image
    if len(strings) < 2 or not all(size.isdigit() and len(size) < 10 for size in strings[:2]):
        raise _damaged(owner, "an image does not begin with its width and height")
    width, height = map(int, strings[:2])
    return [EncodedImage(height, width, data) for data in strings[2:]]


def _sounds(item, owner):
    if hasattr(item, "encoded_audio_string"):
        return [EncodedAudio(item.sample_rate, item.encoded_audio_string)]
    rows = _strings(item, owner)                              # [n, 2]: file, label
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise _damaged(owner, f"audio has the shape {list(rows.shape)}, not [n, 2]")
    return [EncodedAudio(0.0, data) for data in rows[:, 0]]


def _strings(item, owner):
    array = _array(item, owner)
    if array.dtype.kind != "O":
        raise _damaged(owner, f"strings are {array.dtype}")
    return array


def _array(item, owner):
    sizes = [dim.size for dim in item.tensor_shape.dim]
    count = shapes.size_of(sizes)
    if len(sizes) > 32 or count > _LARGEST_FILL and not item.tensor_content:
        raise _damaged(owner, f"a tensor of shape {sizes} is given by {item.ByteSize()} bytes")
    return make_ndarray(item, owner)


def _hparams(content, owner):
    from google.protobuf.message import DecodeError

    from ..protos import HParamsPluginData
    try:
        return HParamsPluginData.FromString(content)
    except DecodeError as error:
        raise _damaged(owner, f"hyperparameters cannot be parsed: {error}") from error


def _damaged(owner, what):
    return errors.DataLossError(None, None, f"{owner}: {what}")


_CONVERSIONS = {"scalars": _number, "histograms": _histogram, "images": _images, "audio": _sounds,
                "texts": _strings, "tensors": _array, "hparams": _hparams}
