"""Hyperparameters and results of runs, in the form of TensorBoard's HPARAMS page.

A folder holds an experiment; a folder inside of it a run, a *session* in TensorBoard's words:

    from thalweg_io.summaries import hparams

    writer = tf.summary.FileWriter("logs/run_7", graph)
    writer.add_summary(hparams.session_start({"learning_rate": 1e-3, "optimizer": "adam"}))
    ...                                                      # training, with tf.summary.scalar("accuracy", ...)
    writer.add_summary(hparams.session_end("success"))

`experiment`, written once, in the folder itself, says what the columns of the table are; without it TensorBoard
gathers them from the runs.
"""
import time

import numpy as np

from thalweg.framework import errors

PLUGIN = "hparams"
EXPERIMENT_TAG, START_TAG, END_TAG = (f"_hparams_/{part}" for part in (
    "experiment", "session_start_info", "session_end_info"))
STATUSES = ("unknown", "success", "failure", "running")      # by their numbers in the file


def experiment(hparams, metrics, description="", time_created_secs=None):
    """The summary that declares an experiment: its hyperparameters and what is measured.

    Parameters
    ----------
    hparams : dict                  name -> its values: a list of str, bool or numbers; a tuple (lowest, highest); or
                                    the type str, bool or float where any value may come
    metrics : list of str, or dict  tags of scalar summaries; or tag -> the name that is shown
    description : str               Markdown
    time_created_secs : float       Unix time; None: now

    Raises
    ------
    InvalidArgumentError            for values that are not of one kind, or of no kind that TensorBoard knows
    """
    from ..protos import HParamInfo, HParamsPluginData, MetricInfo
    message = HParamsPluginData()
    message.experiment.description = description
    message.experiment.time_created_secs = time.time() if time_created_secs is None else time_created_secs
    for name, domain in hparams.items():
        info = HParamInfo(name=name)
        _set_domain(info, domain)
        message.experiment.hparam_infos.append(info)
    shown_names = metrics if isinstance(metrics, dict) else dict.fromkeys(metrics, "")
    for tag, shown in shown_names.items():
        message.experiment.metric_infos.append(MetricInfo(name=MetricInfo.MetricName(tag=tag), display_name=shown))
    return _summary(EXPERIMENT_TAG, message)


def session_start(hparams, group_name="", start_time_secs=None, model_uri="", monitor_url=""):
    """The summary that begins a run.

    Parameters
    ----------
    hparams : dict                  name -> str, bool or number
    group_name : str                runs of one group are repetitions with the same hyperparameters, one row
    start_time_secs : float         Unix time; None: now
    model_uri, monitor_url : str    where the model is, and where the run is watched

    Raises
    ------
    InvalidArgumentError            for a value of another kind
    """
    from ..protos import HParamsPluginData
    if not hasattr(hparams, "items") or not all(isinstance(name, str) for name in hparams):
        raise TypeError(f"hparams must be a dict of name: value, the names str, not {hparams!r}")
    message = HParamsPluginData()
    start = message.session_start_info
    start.group_name, start.model_uri, start.monitor_url = group_name, model_uri, monitor_url
    start.start_time_secs = time.time() if start_time_secs is None else start_time_secs
    for name, value in hparams.items():
        kind = _kind(name, value)
        setattr(start.hparams[name], _FIELDS[kind], kind(value))
    return _summary(START_TAG, message)


def session_end(status="success", end_time_secs=None):
    """The summary that ends a run; `status` is one of STATUSES, `end_time_secs` a Unix time (None: now)."""
    from ..protos import HParamsPluginData
    if status not in STATUSES:
        raise errors.InvalidArgumentError(None, None, f"status is {status!r}; a run ends with one of {STATUSES}")
    message = HParamsPluginData()
    message.session_end_info.status = STATUSES.index(status)
    message.session_end_info.end_time_secs = time.time() if end_time_secs is None else end_time_secs
    return _summary(END_TAG, message)


def _summary(tag, message):
    from ..protos import Summary
    found = Summary()
    value = found.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name = PLUGIN
    value.metadata.plugin_data.content = message.SerializeToString(deterministic=True)
    value.tensor.dtype = 1                                   # an empty float: TensorBoard skips what has no value
    value.tensor.tensor_shape.dim.add()
    return found


# --- kinds of values --------------------------------------------------------------------------------

_FIELDS = {str: "string_value", bool: "bool_value", float: "number_value"}


def _kind(name, value):
    """str, bool or float, whichever `value` is."""
    for kind, types in ((bool, (bool, np.bool_)), (float, (int, float, np.integer, np.floating)), (str, (str,))):
        if isinstance(value, types):
            return kind
    raise errors.InvalidArgumentError(None, None, f"hyperparameter {name!r} is a {type(value).__name__}; TensorBoard "
                                                  "shows str, bool and numbers: give str(value)")


def _set_domain(info, domain):
    """Fills the type of a HParamInfo, and its values or its interval."""
    if domain in (str, bool, float):
        kind = domain
    elif not isinstance(domain, (list, tuple)) or not domain or isinstance(domain, tuple) and len(domain) != 2:
        raise errors.InvalidArgumentError(None, None, f"the values of hyperparameter {info.name!r} are {domain!r}; "
                                                      "expected a list, a tuple (lowest, highest), str, bool or float")
    else:
        kinds = {_kind(info.name, value) for value in domain}
        kind = kinds.pop()
        if kinds or isinstance(domain, tuple) and kind is not float:
            raise errors.InvalidArgumentError(None, None, f"the values of hyperparameter {info.name!r} are of several "
                                                          f"kinds, or no interval: {domain!r}")
        if isinstance(domain, tuple):
            info.domain_interval.min_value, info.domain_interval.max_value = domain
        else:
            for value in domain:
                setattr(info.domain_discrete.values.add(), _FIELDS[kind], kind(value))
    info.type = {str: info.DATA_TYPE_STRING, bool: info.DATA_TYPE_BOOL, float: info.DATA_TYPE_FLOAT64}[kind]
