"""`tf.data`: datasets, their iterators, and the threads that prepare the next elements.

`dataset.py` is what users call, `dataset_ops.py` the ops it builds; a run of these makes objects (`sources.py`,
`transformations.py` and the files beside them), whose elements an iterator of `iterator.py` goes through. `ahead.py`
is the only file that starts threads.
"""
