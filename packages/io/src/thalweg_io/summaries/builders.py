"""The functions of `tf.summary` that add summary ops to the graph."""
import contextlib
import logging
import re

from thalweg.framework import dtypes
from thalweg.framework.collections import GraphKeys
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import add_to_collection, get_collection, name_scope

from . import summary_ops

logger = logging.getLogger("thalweg.io")

_ILLEGAL = re.compile(r"[^-/\w.]")


def clean_tag(name):
    """`name` with `_` for what TensorBoard does not take, and without leading slashes."""
    if name is None:
        return None
    cleaned = _ILLEGAL.sub("_", name).lstrip("/")
    if cleaned != name:
        logger.info("Summary name %s is illegal; using %s instead.", name, cleaned)
    return cleaned


@contextlib.contextmanager
def summary_scope(name, family=None, default_name=None, values=None):
    """The scope of a summary op: gives (tag, scope); a family stands before the tag, its tab in TensorBoard."""
    name, family = clean_tag(name), clean_tag(family)
    with name_scope(name if family is None else f"{family}/{name}", default_name, values) as scope:
        tag = scope.rstrip("/")
        yield (tag if family is None else f"{family}/{tag}"), scope


def _collected(summary, collections):
    for key in [GraphKeys.SUMMARIES] if collections is None else collections:
        add_to_collection(key, summary)
    return summary


def _at_least_one(count, what):
    if count < 1:
        raise ValueError(f"{what} is {count}, less than minimum 1")
    return count


def scalar(name, tensor, collections=None, family=None):
    """A number over time.

    Parameters
    ----------
    name : str                      tag in TensorBoard, after the name scope
    tensor : real scalar
    collections : list of str       by default [SUMMARIES], which `merge_all` takes
    family : str                    group in TensorBoard

    Returns
    -------
    Tensor []                       string: a serialized Summary
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        return _collected(summary_ops.scalar_summary(tag, tensor, name=scope), collections)


def histogram(name, values, collections=None, family=None):
    """The spread of the elements of `values` (real, any shape) over time; NaN and infinity are errors."""
    with summary_scope(name, family, default_name="HistogramSummary", values=[values]) as (tag, scope):
        return _collected(summary_ops.histogram_summary(tag, values, name=scope), collections)


def image(name, tensor, max_outputs=3, collections=None, family=None):
    """The first `max_outputs` images of `tensor` [N, H, W, C] uint8 or float, C = 1 (grey), 3 (RGB) or 4 (RGBA).

    Float images are scaled one by one: see `summaries/image.py`, `to_bytes`.
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        return _collected(summary_ops.image_summary(
            tag, tensor, max_images=_at_least_one(max_outputs, "max_outputs"), name=scope), collections)


def audio(name, tensor, sample_rate, max_outputs=3, collections=None, family=None):
    """The first `max_outputs` sounds of `tensor` [N, frames, channels] or [N, frames], float in [-1, 1].

    `sample_rate` is in frames per second.
    """
    with summary_scope(name, family=family, values=[tensor]) as (tag, scope):
        sample_rate = convert_to_tensor(sample_rate, dtypes.float32, name="sample_rate")
        return _collected(summary_ops.audio_summary(
            tag, tensor, sample_rate, max_outputs=_at_least_one(max_outputs, "max_outputs"), name=scope), collections)


def text(name, tensor, collections=None):
    """Strings, shown as Markdown, a table where `tensor` has rank 1 or 2; ValueError for another dtype."""
    from ..protos import SummaryMetadata
    tensor = convert_to_tensor(tensor)
    if tensor.dtype.base_dtype is not dtypes.string:
        raise ValueError(f"Expected tensor {tensor.name} to have dtype string, got {tensor.dtype}")
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    return tensor_summary(name, tensor, summary_metadata=metadata, collections=collections)


def tensor_summary(name, tensor, summary_description=None, collections=None, summary_metadata=None, family=None,
                   display_name=None):
    """A tensor of any dtype and shape, for a TensorBoard plugin.

    Parameters
    ----------
    summary_description, display_name : str         for TensorBoard
    summary_metadata : SummaryMetadata              names the plugin
    """
    from ..protos import SummaryMetadata
    metadata = SummaryMetadata()
    if summary_metadata is not None:
        metadata.CopyFrom(summary_metadata)
    metadata.display_name = display_name or metadata.display_name
    metadata.summary_description = summary_description or metadata.summary_description
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        return _collected(summary_ops.tensor_summary(tag, tensor, metadata.SerializeToString(), name=scope),
                          collections)


def merge(inputs, collections=None, name=None):
    """All summaries of `inputs`, a list of string tensors, in one; each tag may occur once.

    It is in no collection but those of `collections`.
    """
    name = clean_tag(name)
    with name_scope(name, "Merge", inputs):
        if not len(inputs):
            raise ValueError("List argument 'inputs' to 'MergeSummary' Op with length 0 shorter than minimum length "
                             "1: there is nothing to merge")
        return _collected(summary_ops.merge_summary(inputs, name=name), collections or [])


def merge_all(key=GraphKeys.SUMMARIES, scope=None, name=None):
    """`merge` of a collection, within the name scope `scope` where one is given; None where there is no summary."""
    found = get_collection(key, scope=scope)
    return merge(found, name=name) if found else None


def get_summary_description(node_def):
    """The SummaryDescription of a TensorSummary node, which carries it as JSON."""
    from google.protobuf import json_format

    from ..protos import SummaryDescription
    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    return json_format.Parse(node_def.attr["description"].s.decode(), SummaryDescription())
