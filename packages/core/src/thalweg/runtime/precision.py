"""In which type a session's plans compute: ConfigProto.compute_type, and TensorFlow's switches for float16."""
import copy
import logging

from thalweg.framework import dtypes
from thalweg.framework.errors import explain
from thalweg.framework.naming import user_frame

from .config import RewriterConfig

_COMPUTE_TYPES = (dtypes.float16, dtypes.bfloat16)

_log = logging.getLogger("thalweg")


class _Rewrite:
    """Whether `enable_mixed_precision_graph_rewrite` holds for new sessions of this process."""

    is_enabled = False
    had_other_sessions = False           # some session was made without it


def enable_rewrite():
    """New sessions compute in float16 where a device gains by it, unless their ConfigProto says OFF."""
    if _Rewrite.had_other_sessions:
        _log.warning("there are sessions already that do not use mixed precision: enable_mixed_precision_graph_rewrite"
                     " has no effect on them")
    _Rewrite.is_enabled = True


def disable_rewrite():
    """New sessions compute in what their ConfigProto says."""
    if not _Rewrite.is_enabled:
        _log.warning("disable_mixed_precision_graph_rewrite is called, but mixed precision is not enabled")
    _Rewrite.is_enabled = False


def with_rewrite(config):
    """The ConfigProto of a new session: `config`, or one like it whose rewrite is ON."""
    wish = _wish(config)
    if _Rewrite.is_enabled and wish != RewriterConfig.OFF:
        config = copy.deepcopy(config)
        options = config.graph_options.rewrite_options or RewriterConfig()
        options.auto_mixed_precision, config.graph_options.rewrite_options = RewriterConfig.ON, options
    elif wish != RewriterConfig.ON:
        _Rewrite.had_other_sessions = True
    return config


def plan_precision(config):
    """(compute type, whether only devices that gain by it use it), or None for float32.

    TensorFlow's switch leaves devices alone that do not gain, as TensorFlow does; `compute_type` says what is wanted.
    """
    if config.compute_type:
        dtype = _compute_type(config.compute_type)
        return None if dtype is dtypes.float32 else (dtype, False)
    return (dtypes.float16, True) if _wish(config) == RewriterConfig.ON else None


def _wish(config):
    options = config.graph_options.rewrite_options
    return RewriterConfig.DEFAULT if options is None else options.auto_mixed_precision


def _compute_type(value):
    try:
        dtype = dtypes.as_dtype(value)
    except TypeError:
        dtype = None
    if dtype is dtypes.float32 or dtype in _COMPUTE_TYPES:
        return dtype
    raise ValueError(explain("ConfigProto: no such compute type", got=repr(value),
                             expected=" or ".join(repr(d.name) for d in (*_COMPUTE_TYPES, dtypes.float32)),
                             built_at=user_frame()))
