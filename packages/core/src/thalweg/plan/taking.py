"""Large assignments on the host leave their value's memory to the variable, so that it is not held twice.

* A constant stays the graph's: the variable shares its array until a program comes that writes the variable.
* The first value of a variable, where nothing else uses it, is made in an array of its own (storage GIVEN).
* An array that a Python step made is taken where the run finds that nobody else holds it.

A variable whose memory programs write in place keeps it: further values are copied there, and those that a Python
step has found but not read (StoredValue) are read there, so that a restore takes no memory of its own.
"""
from thalweg.framework.shapes import compatible, size_of
from thalweg.framework.stored_value import StoredValue

LEAST_BYTES = StoredValue.LEAST_BYTES    # smaller ones are copied: that is quicker than moving a buffer


def may_take(node, device_of):
    """Whether a node is an assignment of whole, large values on the host."""
    if node.op_type != "Assign":
        return False
    ref, value = node.outputs[0], node.inputs[1]
    return ref.is_static and size_of(ref.shape) * ref.dtype.size >= LEAST_BYTES \
        and value.dtype is ref.dtype.base_dtype and compatible(value.shape, ref.shape) and device_of(node).is_host


def can_be_given(node, values, end, with_value):
    """Whether memory that holds `values`, one after the other and until node `end`, may become its variable's."""
    ref = node.outputs[0]
    return node.kernel is not None and end == node.position and with_value is not None \
        and ref.variable not in with_value and all(v.dtype is ref.dtype.base_dtype for v in values)
