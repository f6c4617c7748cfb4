"""`tf.data.experimental`: what of it is more than a name of something in dataset.py."""
from . import dataset_ops as ops
from .dataset import AUTOTUNE

__all__ = ["AUTOTUNE", "ignore_errors", "map_and_batch", "shuffle_and_repeat"]


def ignore_errors():
    """For `Dataset.apply`: leaves out the elements whose making raises an error."""
    return lambda dataset: dataset._with(ops.ignore_errors_dataset)


def map_and_batch(map_func, batch_size, num_parallel_batches=None, drop_remainder=False, num_parallel_calls=None):
    """For `Dataset.apply`: `map`, then `batch`.

    Parameters
    ----------
    num_parallel_calls : int        elements in work at the same time
    num_parallel_batches : int      or batches
    """
    if num_parallel_batches is not None:
        if num_parallel_calls is not None:
            raise ValueError("The `num_parallel_batches` and `num_parallel_calls` arguments are mutually exclusive.")
        num_parallel_calls = batch_size * num_parallel_batches
    return lambda dataset: dataset.map(map_func, num_parallel_calls).batch(batch_size, drop_remainder)


def shuffle_and_repeat(buffer_size, count=None, seed=None):
    """For `Dataset.apply`: `shuffle`, then `repeat`."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)
