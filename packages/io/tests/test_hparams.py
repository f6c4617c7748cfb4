"""Hyperparameters for TensorBoard: the messages, and what cannot be one. tests/test_tensorboard.py shows them."""
import numpy as np
import pytest

import thalweg as tf
from thalweg_io.protos import HParamsPluginData
from thalweg_io.summaries import hparams


def content(summary):
    """(tag, message) of a summary's only value."""
    value, = summary.value
    assert value.metadata.plugin_data.plugin_name == "hparams"
    assert value.tensor.dtype == 1 and [dim.size for dim in value.tensor.tensor_shape.dim] == [0]
    return value.tag, HParamsPluginData.FromString(value.metadata.plugin_data.content)


def test_an_experiment():
    tag, message = content(hparams.experiment(
        {"rate": (1e-4, 1), "units": [16, 32], "optimizer": ["adam", "sgd"], "bias": [True, False], "note": str,
         "free": float}, {"accuracy": "Accuracy", "loss": ""}, description="tried", time_created_secs=5.0))
    assert tag == "_hparams_/experiment" and message.version == 0
    infos = {info.name: info for info in message.experiment.hparam_infos}
    assert list(infos) == ["rate", "units", "optimizer", "bias", "note", "free"]
    assert (infos["rate"].domain_interval.min_value, infos["rate"].domain_interval.max_value) == (1e-4, 1.0)
    assert [value.number_value for value in infos["units"].domain_discrete.values] == [16, 32]
    assert [value.string_value for value in infos["optimizer"].domain_discrete.values] == ["adam", "sgd"]
    assert [value.bool_value for value in infos["bias"].domain_discrete.values] == [True, False]
    assert [info.type for info in infos.values()] == [3, 3, 1, 2, 1, 3]
    assert infos["note"].WhichOneof("domain") is None
    metrics = message.experiment.metric_infos
    assert [(m.name.tag, m.display_name) for m in metrics] == [("accuracy", "Accuracy"), ("loss", "")]
    assert (message.experiment.description, message.experiment.time_created_secs) == ("tried", 5.0)


def test_a_session():
    tag, message = content(hparams.session_start({"rate": np.float32(0.5), "units": 16, "bias": np.bool_(True),
                                                  "optimizer": "adam"}, group_name="g", start_time_secs=7.0))
    start = message.session_start_info
    assert tag == "_hparams_/session_start_info" and (start.group_name, start.start_time_secs) == ("g", 7.0)
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()} == {
        "rate": 0.5, "units": 16.0, "bias": True, "optimizer": "adam"}
    tag, message = content(hparams.session_end("failure", 9.0))
    assert tag == "_hparams_/session_end_info"
    assert (message.session_end_info.status, message.session_end_info.end_time_secs) == (2, 9.0)
    assert content(hparams.session_end())[1].session_end_info.end_time_secs > 1e9


def test_bytes_are_tensorboards():
    """Field numbers and kinds of field, from TensorBoard's published messages."""
    _, message = content(hparams.session_start({"a": 1.0}, start_time_secs=1.0))
    assert message.SerializeToString() == bytes.fromhex("1a19 0a0e 0a0161 1209 11000000000000f03f".replace(" ", "")) \
        + bytes.fromhex("29000000000000f03f")
    _, message = content(hparams.session_end("success", 1.0))
    assert message.SerializeToString() == bytes.fromhex("220b 0801 11000000000000f03f".replace(" ", ""))


@pytest.mark.parametrize("call, match", [
    (lambda: hparams.session_start({"layers": [1, 2]}), r"hyperparameter 'layers' is a list; .* give str\(value\)"),
    (lambda: hparams.experiment({"units": [1, "a"]}, []), "'units' are of several kinds, or no interval"),
    (lambda: hparams.experiment({"units": ("a", "b")}, []), "'units' are of several kinds, or no interval"),
    (lambda: hparams.experiment({"units": (1, 2, 3)}, []), r"expected a list, a tuple \(lowest, highest\), str"),
    (lambda: hparams.experiment({"units": []}, []), "'units' are .*; expected a list"),
    (lambda: hparams.experiment({"units": int}, []), "'units' are <class 'int'>; expected a list"),
    (lambda: hparams.session_end("done"), "status is 'done'; a run ends with one of"),
])
def test_what_is_refused(call, match):
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        call()
