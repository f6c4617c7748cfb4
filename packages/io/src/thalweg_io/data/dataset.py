"""`tf.data.Dataset`: what users call. Each method adds an op of dataset_ops.py and knows what its elements are.

A long file, since its one class is the whole interface.
"""
import sys

from thalweg.framework import dtypes, shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import get_default_graph, name_scope
from thalweg.framework.random_seed import get_seed
from thalweg.framework.shapes import TensorShape
from thalweg.ops import array, checks, comparison, math, script

from . import dataset_ops as ops
from . import iterator
from .functions import DatasetFunction
from .sources import Generator
from .structure import Structure, flatten, pack, same_form, tensors_of

AUTOTUNE = -1


def _integer(value, name, dtype=dtypes.int64):
    return convert_to_tensor(value, dtype, name=name)


class Dataset:
    """A sequence of elements, each a tensor or a (nested) tuple, namedtuple or dict of tensors, as `tf.data.Dataset`.

    A dataset is a part of the graph; an iterator goes through it in a session:

        dataset = tf.data.Dataset.from_tensor_slices((files, labels)).shuffle(1000).repeat()
        dataset = dataset.map(decode, num_parallel_calls=4).batch(32).prefetch(2)
        images, labels = dataset.make_one_shot_iterator().get_next()

    Functions given to `map` and its like are called once, with symbolic tensors; what they build runs per element.
    """

    def __init__(self, variant_tensor, structure):
        self._variant_tensor, self._structure = variant_tensor, structure

    @property
    def output_types(self):
        """The dtypes of an element, in its structure."""
        return self._structure.types

    @property
    def output_shapes(self):
        """The static shapes of an element, in its structure."""
        return self._structure.shapes

    @property
    def output_classes(self):
        """`tf.Tensor` for each part of an element, in its structure."""
        return self._structure.classes

    def __repr__(self):
        return f"<Dataset shapes: {self.output_shapes}, types: {self.output_types}>"

    def __iter__(self):
        raise RuntimeError("a Dataset is a part of the graph and cannot be iterated by Python: run what "
                           "dataset.make_one_shot_iterator().get_next() gives, in a session")

    # --- sources -------------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors):
        """One element: `tensors`, a structure of tensors or arrays. A list is made a tensor."""
        structure, flat = Structure.of_tensors(tensors_of(tensors, "normalize_element"))
        return Dataset(ops.tensor_dataset(flat, output_shapes=structure.flat_shapes), structure)

    @staticmethod
    def from_tensor_slices(tensors):
        """One element per row of `tensors`, a structure of tensors [n, ...] or arrays, n the same for all.

        Raises
        ------
        ValueError                  for scalars, and for known numbers of rows that differ
        InvalidArgumentError        for numbers of rows that differ, when an iterator starts
        """
        structure, flat = Structure.of_tensors(tensors_of(tensors, "normalize_element"))
        length = None
        for tensor, shape in zip(flat, structure.flat_shapes):
            if shape == ():
                raise ValueError(f"from_tensor_slices takes rows, but {tensor.name} is a scalar; try from_tensors")
            if shape is not None and shape[0] is not None:
                if length not in (None, shape[0]):
                    raise ValueError(f"Dimensions {length} and {shape[0]} are not compatible: the parts of "
                                     f"from_tensor_slices have shapes {structure.shapes}")
                length = shape[0]
        rows = structure.with_shapes([None if s is None else s[1:] for s in structure.flat_shapes])
        return Dataset(ops.tensor_slice_dataset(flat, output_shapes=rows.flat_shapes), rows)

    @staticmethod
    def from_generator(generator, output_types, output_shapes=None, args=None):
        """What a Python generator yields.

        Parameters
        ----------
        generator : callable        gives an iterable; called for each pass through the dataset
        output_types : structure of dtypes
        output_shapes : the same structure of shapes; None: any
        args : tuple of tensors     values with which `generator` is called

        Raises
        ------
        InvalidArgumentError        when an element is asked for that has another structure, dtype or shape
        """
        if not callable(generator):
            raise TypeError("`generator` must be callable.")
        structure = Structure(output_types, output_shapes)
        token = script.keep(Generator(generator, structure))
        arguments = [convert_to_tensor(a, name=f"args_{i}") for i, a in enumerate(args or ())]
        variant = ops.generator_dataset(arguments, token=token, name="GeneratorDataset", **structure.attrs())
        return Dataset(variant, structure)

    @staticmethod
    def range(*args):
        """The int64 numbers of Python's `range(*args)`."""
        limits = {1: (0, *args, 1), 2: (*args, 1), 3: args}.get(len(args))
        if limits is None:
            raise ValueError(f"Invalid arguments to RangeDataset: {list(args)}")
        tensors = [_integer(v, name) for v, name in zip(limits, ("start", "stop", "step"))]
        structure = Structure(dtypes.int64, TensorShape([]))
        return Dataset(ops.range_dataset(*tensors, **structure.attrs()), structure)

    @staticmethod
    def list_files(file_pattern, shuffle=None, seed=None):
        """The names of the files that match patterns with `*`, `?` and `[...]`.

        Parameters
        ----------
        file_pattern : string, list of strings or string tensor
        shuffle : bool      in a random order, one for each pass; None: yes. Otherwise sorted
        seed : int          of that order

        Raises
        ------
        InvalidArgumentError        when an iterator starts and no file matches
        """
        with name_scope("list_files"):
            patterns = convert_to_tensor(file_pattern, dtypes.string, name="file_pattern")
            files = ops.matching_files(patterns)
            found = comparison.greater(array.shape(files)[0], 0, name="match_not_empty")
            message = math.add("No files matched pattern: ", patterns) if patterns.shape.ndims == 0 else patterns
            with get_default_graph().control_dependencies([checks.Assert(found, [message], name="assert_not_empty")]):
                files = array.identity(files)
            dataset = Dataset.from_tensor_slices(files)
            if shuffle is None or shuffle:
                size = math.maximum(array.shape(files, out_type=dtypes.int64)[0], 1)
                dataset = dataset.shuffle(size, seed=seed)
            return dataset

    # --- several datasets -----------------------------------------------------------------------------

    @staticmethod
    def zip(datasets):
        """Elements side by side, in the structure of `datasets`, up to the end of the shortest."""
        flat = flatten(datasets)
        for each in flat:
            if not isinstance(each, Dataset):
                hint = "; Python lists are no structure here, please use a tuple" if isinstance(each, list) else ""
                raise TypeError("The argument to `Dataset.zip()` must be a nested structure of `Dataset` objects, not "
                                f"{each!r}{hint}.")
        structure = Structure(pack(datasets, [d.output_types for d in flat]),
                              pack(datasets, [d.output_shapes for d in flat]))
        return Dataset(ops.zip_dataset([d._variant_tensor for d in flat], **structure.attrs()), structure)

    def concatenate(self, dataset):
        """These elements, then those of `dataset`; TypeError if their structures or dtypes differ."""
        mine, theirs = self._structure, dataset._structure
        if not same_form(mine.types, theirs.types) or mine.flat_types != theirs.flat_types:
            raise TypeError(f"Two datasets to concatenate have different types {mine.types} and {theirs.types}")
        structure = mine.with_shapes([_common(a, b) for a, b in zip(mine.flat_shapes, theirs.flat_shapes)])
        return Dataset(ops.concatenate_dataset(self._variant_tensor, dataset._variant_tensor, **structure.attrs()),
                       structure)

    # --- functions of elements --------------------------------------------------------------------------

    def map(self, map_func, num_parallel_calls=None):
        """What `map_func` gives for each element, in their order.

        Parameters
        ----------
        map_func : callable         (parts of the element's tuple, or the element) -> structure of tensors
        num_parallel_calls : int    elements in work at the same time, each in a thread; AUTOTUNE: one per processor

        Random ops draw the same numbers at any number of calls.
        """
        function = DatasetFunction(map_func, "map", self._structure)
        if function.structure is None:
            raise TypeError("Unsupported return value from function passed to Dataset.map(): a Dataset; flat_map and "
                            "interleave take such functions")
        attrs = {"f": function.graph, **function.structure.attrs()}
        with function.held_back():
            if num_parallel_calls is None:
                variant = ops.map_dataset(self._variant_tensor, function.captured, **attrs)
            else:
                count = _integer(num_parallel_calls, "num_parallel_calls", dtypes.int32)
                variant = ops.parallel_map_dataset(self._variant_tensor, function.captured, count, **attrs)
        return Dataset(variant, function.structure)

    map_with_legacy_function = map

    def flat_map(self, map_func):
        """The elements of the datasets that `map_func` gives, one dataset after the other."""
        function = self._function_to_dataset(map_func, "flat_map")
        return self._of_datasets(ops.flat_map_dataset, function)

    def interleave(self, map_func, cycle_length=AUTOTUNE, block_length=1, num_parallel_calls=None):
        """The elements of the datasets that `map_func` gives, in turns.

        Parameters
        ----------
        map_func : callable         element -> Dataset
        cycle_length : int          datasets that are open at the same time; AUTOTUNE: one per processor
        block_length : int          elements of one before the turn of the next
        num_parallel_calls : accepted; a `prefetch` inside of `map_func` reads the open datasets at the same time
        """
        function = self._function_to_dataset(map_func, "interleave")
        return self._of_datasets(ops.interleave_dataset, function, _integer(cycle_length, "cycle_length"),
                                 _integer(block_length, "block_length"))

    def _function_to_dataset(self, map_func, name):
        function = DatasetFunction(map_func, name, self._structure)
        if function.dataset is None:
            raise TypeError(f"`map_func` of Dataset.{name}() must return a `Dataset` object, not "
                            f"{function.structure.types!r}; Dataset.map takes such functions.")
        return function

    def _of_datasets(self, op, function, *numbers):
        structure = function.dataset._structure
        with function.held_back():
            variant = op(self._variant_tensor, function.captured, *numbers, f=function.graph, **structure.attrs())
        return Dataset(variant, structure)

    def filter(self, predicate):
        """The elements for which `predicate` gives a true bool scalar."""
        function = DatasetFunction(predicate, "filter", self._structure)
        given = function.structure
        if given is None or given.types is not dtypes.bool_ or not shapes.compatible(given.flat_shapes[0], ()):
            raise ValueError("`predicate` must return a scalar boolean tensor.")
        with function.held_back():
            return self._with(ops.filter_dataset, function.captured, predicate=function.graph)

    def apply(self, transformation_func):
        """`transformation_func(self)`, which must be a Dataset."""
        dataset = transformation_func(self)
        if not isinstance(dataset, Dataset):
            raise TypeError(f"`transformation_func` must return a Dataset, not {dataset!r}.")
        return dataset

    # --- elements as they are ------------------------------------------------------------------------

    def _with(self, op, *inputs, **attrs):
        """A dataset whose elements are of the same structure."""
        return Dataset(op(self._variant_tensor, *inputs, **attrs, **self._structure.attrs()), self._structure)

    def enumerate(self, start=0):
        """(number, element), the number an int64 from `start` on."""
        return Dataset.zip((Dataset.range(start, sys.maxsize), self))

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=None):
        """Random order: each element is drawn from a buffer of the next `buffer_size` ones.

        Parameters
        ----------
        buffer_size : int       as many as there are elements: all orders are equally likely
        seed : int              with the graph's seed decides the order, see tf.set_random_seed
        reshuffle_each_iteration : bool     another order in each pass, as `repeat` makes them; None: yes
        """
        size = _integer(buffer_size, "buffer_size")
        seed, seed2 = [_integer(s or 0, name) for s, name in zip(get_seed(seed), ("seed", "seed2"))]
        get_default_graph()._next_id += 7            # TensorFlow computes seed2 by a few ops
        return self._with(ops.shuffle_dataset, size, seed, seed2,
                          reshuffle_each_iteration=reshuffle_each_iteration is not False)

    def repeat(self, count=None):
        """These elements `count` times; None or -1: for ever."""
        return self._with(ops.repeat_dataset, _integer(-1 if count is None else count, "count"))

    def take(self, count):
        """The first `count` elements; -1: all."""
        return self._with(ops.take_dataset, _integer(count, "count"))

    def skip(self, count):
        """All but the first `count` elements; -1: none."""
        return self._with(ops.skip_dataset, _integer(count, "count"))

    def shard(self, num_shards, index):
        """Each `num_shards`-th element, from number `index` on: one worker's part."""
        return self._with(ops.shard_dataset, _integer(num_shards, "num_shards"), _integer(index, "index"))

    def cache(self, filename=""):
        """Keeps the elements of the first whole pass in memory, and gives them again in later ones."""
        return self._with(ops.cache_dataset, convert_to_tensor(filename, dtypes.string, name="filename"))

    def prefetch(self, buffer_size):
        """Up to `buffer_size` elements ahead, made in a thread while the consumer is busy.

        At the end of a pipeline this lets the next batch be ready when a training step asks for it. AUTOTUNE: as many
        as there are processors.
        """
        return self._with(ops.prefetch_dataset, _integer(buffer_size, "buffer_size"))

    # --- batches ----------------------------------------------------------------------------------------

    def batch(self, batch_size, drop_remainder=False):
        """`batch_size` elements as one, with a new first dimension; the last may have fewer, unless `drop_remainder`.

        Raises InvalidArgumentError, when the batch is asked for, if the elements' shapes differ: see padded_batch.
        """
        size = _integer(batch_size, "batch_size")
        drop = convert_to_tensor(drop_remainder, dtypes.bool_, name="drop_remainder")
        rows = _batch_rows(size, drop)
        flat_shapes = [None if s is None else (rows, *s) for s in self._structure.flat_shapes]
        structure = self._structure.with_shapes(flat_shapes)
        return Dataset(ops.batch_dataset(self._variant_tensor, size, drop, **structure.attrs()), structure)

    def padded_batch(self, batch_size, padded_shapes, padding_values=None, drop_remainder=False):
        """As `batch`, for elements of different shapes: each part is filled up at the end of its dimensions.

        Parameters
        ----------
        padded_shapes : structure of shapes     None in one: the largest size in the batch
        padding_values : structure of scalars   None: 0, or the empty string
        """
        size = _integer(batch_size, "batch_size")
        drop = convert_to_tensor(drop_remainder, dtypes.bool_, name="drop_remainder")
        wanted = Structure(self.output_types, padded_shapes).flat_shapes
        sizes = [[-1 if d is None else d for d in _of_known_rank(shape)] for shape in wanted]
        values = self._padding_values(padding_values)
        rows = _batch_rows(size, drop)
        structure = self._structure.with_shapes([(rows, *shape) for shape in wanted])
        variant = ops.padded_batch_dataset(
            self._variant_tensor, size, [_integer(s, f"padded_shapes_{i}") for i, s in enumerate(sizes)], values, drop,
            output_shapes=structure.flat_shapes)
        return Dataset(variant, structure)

    def _padding_values(self, given):
        types = self._structure.flat_types
        values = [None] * len(types) if given is None else flatten(given)
        if len(values) != len(types):
            raise TypeError(f"padding_values {given!r} have not the structure of the elements, {self.output_types!r}")
        zeros = ["" if dtype is dtypes.string else dtype.np.type(0) for dtype in types]
        return [convert_to_tensor(zero if value is None else value, dtype, name="padding_value")
                for value, zero, dtype in zip(values, zeros, types)]

    # --- going through ----------------------------------------------------------------------------------

    def make_one_shot_iterator(self):
        """An iterator that needs no initializer: it begins when it is first asked for an element, and ends for good.

        Raises ValueError if the dataset needs a placeholder, which nobody could feed.
        """
        return iterator.one_shot(self)

    def make_initializable_iterator(self, shared_name=None):
        """An iterator that begins, and begins anew, when its `initializer` runs; feeds of that run count."""
        return iterator.initializable(self, shared_name)


class TFRecordDataset(Dataset):
    """The records of TFRecord files, as string scalars.

    Parameters
    ----------
    filenames : string, list of strings, string tensor [] or [n], or Dataset of strings
    compression_type : None, "", "ZLIB" or "GZIP"
    num_parallel_reads : None or int    files that are open at the same time; their records come in turns
    buffer_size : accepted; the system reads ahead

    Raises NotFoundError, and DataLossError at what is cut or damaged, when a record is asked for.
    """

    def __init__(self, filenames, compression_type=None, buffer_size=None, num_parallel_reads=None):
        _init_files(self, ops.tf_record_dataset, filenames, compression_type, buffer_size, num_parallel_reads)


class TextLineDataset(Dataset):
    """The lines of text files, as string scalars without their ends.

    Parameters
    ----------
    filenames : string, list of strings, string tensor [] or [n], or Dataset of strings
    compression_type : None, "", "ZLIB" or "GZIP"
    num_parallel_reads : None or int    files that are open at the same time; their lines come in turns
    buffer_size : accepted; the system reads ahead
    """

    def __init__(self, filenames, compression_type=None, buffer_size=None, num_parallel_reads=None):
        _init_files(self, ops.text_line_dataset, filenames, compression_type, buffer_size, num_parallel_reads)


def _init_files(dataset, op, filenames, compression_type, buffer_size, num_parallel_reads):
    structure = Structure(dtypes.string, TensorShape([]))

    def of(names):
        names = convert_to_tensor(names, dtypes.string, name="filenames")
        kind = convert_to_tensor(compression_type or "", dtypes.string, name="compression_type")
        return Dataset(op(names, kind, _integer(buffer_size or 0, "buffer_size")), structure)
    if num_parallel_reads is None and not isinstance(filenames, Dataset):
        made = of(filenames)
    else:
        made = _each_file(filenames).interleave(of, num_parallel_reads or 1)
    Dataset.__init__(dataset, made._variant_tensor, structure)


def _each_file(filenames):
    if isinstance(filenames, Dataset):
        return filenames
    names = convert_to_tensor(filenames, dtypes.string, name="filenames")
    return Dataset.from_tensor_slices(array.reshape(names, [-1]))


def _batch_rows(size, drop):
    """The static number of rows of a batch: `size`, a tensor, where no remainder comes."""
    size, drop = constant_value(size), constant_value(drop)
    return int(size) if drop is not None and drop and size is not None else None


def _of_known_rank(shape):
    if shape is None:
        raise ValueError("padded_shapes must have known ranks; None may stand for a size, not for a whole shape")
    return shape


def _common(a, b):
    """The shape that both `a` and `b` are instances of."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple([x if x == y else None for x, y in zip(a, b)])


# --- functions of tf.compat.v1.data -----------------------------------------------------------------

def get_output_types(dataset_or_iterator):
    """The dtypes of an element of a Dataset or an Iterator."""
    return dataset_or_iterator.output_types


def get_output_shapes(dataset_or_iterator):
    """The static shapes of an element of a Dataset or an Iterator."""
    return dataset_or_iterator.output_shapes


def get_output_classes(dataset_or_iterator):
    """The classes of an element of a Dataset or an Iterator."""
    return dataset_or_iterator.output_classes


def make_one_shot_iterator(dataset):
    """`dataset.make_one_shot_iterator()`."""
    return dataset.make_one_shot_iterator()


def make_initializable_iterator(dataset, shared_name=None):
    """`dataset.make_initializable_iterator()`."""
    return dataset.make_initializable_iterator(shared_name)
