"""The signature that editors and `help` show of an op agrees with how it may be called."""
import inspect

import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY, OpDeclaration


@pytest.mark.parametrize("op_type", sorted(REGISTRY))
def test_every_op_has_a_signature(op_type):
    op = REGISTRY[op_type]
    names = list(inspect.signature(op).parameters)
    assert names[:len(op.inputs)] == [a.name for a in op.inputs]
    assert set(names[len(op.inputs):]) == {"name", *op.attributes}


def test_name_may_be_given_by_position():
    assert str(inspect.signature(tf.sqrt)) == "(x, name=None)"
    assert tf.sqrt(tf.constant(4.0), "root").op.name.startswith("root")


def test_the_class_keeps_its_own():
    assert "body" in inspect.signature(OpDeclaration).parameters
