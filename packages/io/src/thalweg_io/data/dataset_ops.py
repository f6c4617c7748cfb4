"""The ops of datasets, TensorFlow's: each gives a variant that holds an object of sources.py or transformations.py."""
import glob
import os

import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.shapes import TensorShape
from thalweg.ops import script

from . import batches, readers, shuffle, sources
from . import transformations as made_of
from .elements import kept
from .functions import BoundFunction


def _dataset(name, inputs, **letters):
    """Declares an op that gives a dataset; its body gives the object."""
    def declare(body):
        def variant(*args, **kwargs):
            result = np.empty((), object)
            result[()] = body(*args, **kwargs)
            return result
        variant.__name__, variant.__doc__, variant.__module__ = body.__name__, body.__doc__, body.__module__
        variant.__qualname__, variant.__wrapped__ = body.__qualname__, body
        op = define_op(name, f"{inputs} -> handle: variant[]", stateful=True, **letters)(variant)
        op.no_gradient("a dataset is no number")
        return op
    return declare


# --- sources ----------------------------------------------------------------------------------------

@_dataset("TensorDataset", "components: Toutput_types...")
def tensor_dataset(components, *, output_shapes: list[TensorShape]):
    """One element: the components."""
    return sources.Single([kept(c) for c in components])


@_dataset("TensorSliceDataset", "components: Toutput_types...")
def tensor_slice_dataset(components, *, output_shapes: list[TensorShape]):
    """One element per row of the components."""
    return sources.Slices([kept(c) for c in components])


@_dataset("RangeDataset", "start: int64[], stop: int64[], step: int64[]")
def range_dataset(start, stop, step, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """start, start + step, ... before stop."""
    return sources.Range(start, stop, step)


@_dataset("_PyGeneratorDataset", "arguments: Targuments...")
def generator_dataset(arguments, *, token: str, output_types: list[DType], output_shapes: list[TensorShape]):
    """What the Python generator of a token yields; TensorFlow builds the same from four ops and three functions."""
    return sources.Generated(script.kept(token), [kept(a) for a in arguments])


# `buffer_size`, bytes, is left to the system.

@_dataset("TFRecordDataset", "filenames: string, compression_type: string[], buffer_size: int64[]",
          files=("filenames",))
def tf_record_dataset(filenames, compression_type, buffer_size):
    """The records of TFRecord files, as strings."""
    return readers.Records(readers.paths(filenames), readers.compression(compression_type))


@_dataset("TextLineDataset", "filenames: string, compression_type: string[], buffer_size: int64[]",
          files=("filenames",))
def text_line_dataset(filenames, compression_type, buffer_size):
    """The lines of text files, without their ends."""
    return readers.Lines(readers.paths(filenames), readers.compression(compression_type))


# --- made of other datasets -----------------------------------------------------------------------

@_dataset("ZipDataset", "input_datasets: N*variant")
def zip_dataset(input_datasets, *, N: int, output_types: list[DType], output_shapes: list[TensorShape]):
    """Elements of several datasets side by side."""
    return made_of.Zip([dataset.item() for dataset in input_datasets])


@_dataset("ConcatenateDataset", "input_dataset: variant[], another_dataset: variant[]")
def concatenate_dataset(input_dataset, another_dataset, *, output_types: list[DType],
                        output_shapes: list[TensorShape]):
    """One dataset after another."""
    return made_of.Chain([input_dataset.item(), another_dataset.item()])


@_dataset("MapDataset", "input_dataset: variant[], other_arguments: Targuments...")
def map_dataset(input_dataset, other_arguments, *, f: object, output_types: list[DType],
                output_shapes: list[TensorShape], use_inter_op_parallelism: bool = True,
                preserve_cardinality: bool = False):
    """f(*element, *other_arguments) for each element."""
    return made_of.Map(input_dataset.item(), _bound(f, other_arguments))


@_dataset("ParallelMapDataset", "input_dataset: variant[], other_arguments: Targuments..., "
                                "num_parallel_calls: int32[]")
def parallel_map_dataset(input_dataset, other_arguments, num_parallel_calls, *, f: object, output_types: list[DType],
                         output_shapes: list[TensorShape], use_inter_op_parallelism: bool = True,
                         sloppy: bool = False, preserve_cardinality: bool = False):
    """As MapDataset, in up to `num_parallel_calls` threads; -1: one per processor."""
    return made_of.ParallelMap(input_dataset.item(), _bound(f, other_arguments), int(num_parallel_calls))


@_dataset("FlatMapDataset", "input_dataset: variant[], other_arguments: Targuments...")
def flat_map_dataset(input_dataset, other_arguments, *, f: object, output_types: list[DType],
                     output_shapes: list[TensorShape]):
    """The elements of the datasets f(*element, *other_arguments), one dataset after the other."""
    return made_of.Interleave(input_dataset.item(), _bound(f, other_arguments))


@_dataset("InterleaveDataset", "input_dataset: variant[], other_arguments: Targuments..., cycle_length: int64[], "
                               "block_length: int64[]")
def interleave_dataset(input_dataset, other_arguments, cycle_length, block_length, *, f: object,
                       output_types: list[DType], output_shapes: list[TensorShape]):
    """As FlatMapDataset, with `cycle_length` datasets open, `block_length` elements of one before the next."""
    return made_of.Interleave(input_dataset.item(), _bound(f, other_arguments), int(cycle_length), int(block_length))


@_dataset("FilterDataset", "input_dataset: variant[], other_arguments: Targuments...")
def filter_dataset(input_dataset, other_arguments, *, predicate: object, output_types: list[DType],
                   output_shapes: list[TensorShape]):
    """The elements for which predicate(*element, *other_arguments) holds."""
    return made_of.Filter(input_dataset.item(), _bound(predicate, other_arguments))


def _bound(graph, captured):
    return BoundFunction(graph, [kept(array) for array in captured])


@_dataset("BatchDatasetV2", "input_dataset: variant[], batch_size: int64[], drop_remainder: bool[]")
def batch_dataset(input_dataset, batch_size, drop_remainder, *, parallel_copy: bool = False,
                  output_types: list[DType], output_shapes: list[TensorShape]):
    """`batch_size` elements as one with a new first dimension."""
    return batches.Batch(input_dataset.item(), int(batch_size), bool(drop_remainder))


@_dataset("PaddedBatchDatasetV2", "input_dataset: variant[], batch_size: int64[], padded_shapes: N*int64, "
                                  "padding_values: Toutput_types..., drop_remainder: bool[]")
def padded_batch_dataset(input_dataset, batch_size, padded_shapes, padding_values, drop_remainder, *, N: int,
                         output_shapes: list[TensorShape]):
    """As BatchDatasetV2, of elements that are filled up to one shape."""
    padding = batches.Padding([sizes.tolist() for sizes in padded_shapes], [kept(v) for v in padding_values])
    return batches.Batch(input_dataset.item(), int(batch_size), bool(drop_remainder), padding)


@_dataset("ShuffleDataset", "input_dataset: variant[], buffer_size: int64[], seed: int64[], seed2: int64[]")
def shuffle_dataset(input_dataset, buffer_size, seed, seed2, *, reshuffle_each_iteration: bool = True,
                    output_types: list[DType], output_shapes: list[TensorShape]):
    """Random order, from a buffer of `buffer_size` elements."""
    return shuffle.Shuffle(input_dataset.item(), int(buffer_size), int(seed), int(seed2), reshuffle_each_iteration)


@_dataset("RepeatDataset", "input_dataset: variant[], count: int64[]")
def repeat_dataset(input_dataset, count, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """The dataset `count` times; -1: for ever."""
    return made_of.repeated(input_dataset.item(), int(count))


@_dataset("TakeDataset", "input_dataset: variant[], count: int64[]")
def take_dataset(input_dataset, count, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """The first `count` elements; -1: all."""
    return made_of.Part(input_dataset.item(), 0, int(count) if count >= 0 else None)


@_dataset("SkipDataset", "input_dataset: variant[], count: int64[]")
def skip_dataset(input_dataset, count, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """All but the first `count` elements; -1: none."""
    dataset = input_dataset.item()
    return made_of.Part(dataset, int(count), None) if count >= 0 else made_of.Part(dataset, 0, 0)


@_dataset("ShardDataset", "input_dataset: variant[], num_shards: int64[], index: int64[]")
def shard_dataset(input_dataset, num_shards, index, *, require_non_empty: bool = False, output_types: list[DType],
                  output_shapes: list[TensorShape]):
    """Each `num_shards`-th element, from number `index` on."""
    return made_of.sharded(input_dataset.item(), int(num_shards), int(index))


@_dataset("CacheDataset", "input_dataset: variant[], filename: string[]")
def cache_dataset(input_dataset, filename, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """Keeps the elements of the first pass in memory."""
    if filename.item():
        raise errors.UnimplementedError(None, None, f"CacheDataset: a cache in a file ({filename.item().decode()!r}) "
                                                    "does not exist; cache() without a name keeps elements in memory")
    return made_of.Cache(input_dataset.item())


@_dataset("PrefetchDataset", "input_dataset: variant[], buffer_size: int64[]")
def prefetch_dataset(input_dataset, buffer_size, *, output_types: list[DType], output_shapes: list[TensorShape],
                     slack_period: int = 0, legacy_autotune: bool = True):
    """Up to `buffer_size` elements ahead, made in a thread of their own."""
    return made_of.Prefetch(input_dataset.item(), int(buffer_size))


@_dataset("IgnoreErrorsDataset", "input_dataset: variant[]")
def ignore_errors_dataset(input_dataset, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """Leaves out the elements that fail."""
    return made_of.WithoutErrors(input_dataset.item())


# --- files ------------------------------------------------------------------------------------------

@define_op("MatchingFiles", "pattern: string -> filenames: string[N]", stateful=True, files=("pattern",))
def matching_files(pattern):
    """The files that match patterns with `*`, `?` and `[...]`, sorted by their names."""
    found = {os.fsencode(path) for p in pattern.ravel().tolist() for path in glob.glob(os.fsdecode(p))}
    result = np.empty(len(found), object)
    result[:] = sorted(found)
    return result


@matching_files.shape
def matching_files_shape(node, pattern):
    return {"N": None}


matching_files.no_gradient("file names are no numbers")
