"""`tf.train.Example` and SequenceExample in the graph: `parse_example` and its kin.

`walk.pyx` goes over the bytes, `columns.py` makes arrays of what it finds, `parse_ops.py` has the ops, `features.py`
what a program says of its features, `parse.py` the functions that programs call.
"""
