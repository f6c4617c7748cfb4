"""Keeps what TensorFlow 1.15 says of ops, in data/: run it with an interpreter that has it.

    python record_tf1.py OP_TYPES      OP_TYPES: a file with the op types to keep, one per line

op_defs.json: inputs, outputs and attributes of op types; expressions.json: what snippets.py gives.
"""
import json
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
HERE = pathlib.Path(__file__).parent


def main(op_types):
    import tensorflow as tf
    sys.path.insert(0, str(HERE))
    import snippets
    tf.compat.v1.logging.set_verbosity("ERROR")
    _write("expressions.json", {e: snippets.run(e, tf) for e in snippets.EXPRESSIONS})
    _write("op_defs.json", _op_defs(op_types))


def _write(name, value):
    (HERE / "data" / name).write_text(json.dumps(value, indent=0, sort_keys=True, separators=(",", ":")) + "\n")


def _op_defs(op_types):
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python import pywrap_tensorflow
    ops = op_def_pb2.OpList()
    ops.ParseFromString(pywrap_tensorflow.TF_GetBuffer(pywrap_tensorflow.TF_GetAllOpList()))
    return {op.name: {"inputs": [_argument(a) for a in op.input_arg], "outputs": [_argument(a) for a in op.output_arg],
                      "attributes": {a.name: _attribute(a) for a in op.attr}, "stateful": op.is_stateful}
            for op in ops.op if op.name in op_types}


def _argument(arg):
    from tensorflow.python.framework import dtypes
    kind = dtypes.as_dtype(arg.type).name if arg.type else arg.type_attr or arg.type_list_attr + "..."
    return f"{arg.name}: {arg.number_attr + '*' if arg.number_attr else ''}{kind}{'&' if arg.is_ref else ''}"


def _attribute(attr):
    from tensorflow.python.framework import dtypes
    found = {"type": attr.type}
    if attr.HasField("default_value"):
        kind = attr.default_value.WhichOneof("value")
        value = getattr(attr.default_value, kind)
        if kind == "type":
            value = dtypes.as_dtype(value).name
        elif kind == "s":
            value = value.decode("latin1")
        elif kind == "list":
            value = list(value.i) or list(value.f) or [s.decode() for s in value.s]
        elif kind in ("shape", "tensor", "func"):
            value = None
        found["default"] = value
    if attr.HasField("allowed_values") and attr.type in ("type", "list(type)"):
        found["allowed"] = sorted(dtypes.as_dtype(t).name for t in attr.allowed_values.list.type)
    return found


if __name__ == "__main__":
    main(set(pathlib.Path(sys.argv[1]).read_text().split()))
