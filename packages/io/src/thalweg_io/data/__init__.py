"""`tf.data`: datasets, their iterators, and the threads that prepare the next elements.

`dataset.py` is what users call, `dataset_ops.py` the ops it builds; a run of these makes the objects of `sources.py` and
`transformations.py`, which `iterator.py` walks through. `ahead.py` is the only file that starts threads.
"""
