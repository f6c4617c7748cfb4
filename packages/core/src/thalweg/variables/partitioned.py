"""Variables in parts: one tensor that is kept as several variables, split along one dimension."""
from thalweg.framework.conversion import convert_to_tensor, register_tensor_conversion_function
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.graph import get_default_graph, name_scope
from thalweg.framework.shapes import TensorShape
from thalweg.ops import array, operators, slicing


class PartitionedVariable:
    """What `get_variable` gives where a partitioner is set, as `tf.PartitionedVariable`.

    Iterating over it gives the parts; as a tensor it is the parts joined.

    Attributes
    ----------
    name : str          full name of the whole; the parts are NAME/part_0 and so on
    shape : TensorShape
    dtype : DType
    """

    __array_priority__ = 100

    def __init__(self, name, shape, dtype, variable_list, partitions):
        if not isinstance(variable_list, (list, tuple)):
            raise TypeError(f"variable_list is not a list or tuple: {variable_list}")
        if not isinstance(partitions, (list, tuple)):
            raise TypeError(f"partitions is not a list or tuple: {partitions}")
        if not all(p >= 1 for p in partitions):
            raise ValueError(f"partition values must be positive: {partitions}")
        if not variable_list:
            raise ValueError("variable_list may not be empty")
        for part in variable_list:
            if part._get_save_slice_info() is None:
                raise ValueError(f"All variables must have a save_slice_info available: {part.name}")
        self._name, self._shape, self._dtype = name, TensorShape(shape), as_dtype(dtype)
        self._variable_list = sorted(variable_list, key=lambda v: v._get_save_slice_info().var_offset)
        self._partitions = list(partitions)

    @property
    def name(self):
        return self._name

    @property
    def dtype(self):
        return self._dtype

    @property
    def shape(self):
        return self._shape

    def get_shape(self):
        return self._shape

    def __iter__(self):
        return iter(self._variable_list)

    def __len__(self):
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot get a length for {len(axes)} > 1 partition axes")
        return len(self._variable_list)

    def _get_variable_list(self):
        return self._variable_list

    def _get_partitions(self):
        return self._partitions

    def _partition_axes(self):
        """The split dimensions; the first one where there is but one part."""
        return [i for i, p in enumerate(self._partitions) if p > 1] or [0]

    def as_tensor(self):
        """The whole as one tensor."""
        with name_scope(f"{self._name}/ConcatPartitions/"):
            if len(self._variable_list) == 1:
                whole = self._variable_list[0].value()
            else:
                whole = array.concat([v.value() for v in self._variable_list], self._partition_axes()[0])
        with get_default_graph().name_scope(None):
            return array.identity(whole, name=self._name)

    def assign(self, value, use_locking=False, name=None, read_value=True):
        """Sets all parts from one tensor of the whole; gives what the parts' assign gives."""
        return self._each("assign", value, use_locking, name, read_value)

    def assign_add(self, value, use_locking=False, name=None, read_value=True):
        """Adds one tensor of the whole to the parts."""
        return self._each("assign_add", value, use_locking, name, read_value)

    def assign_sub(self, value, use_locking=False, name=None, read_value=True):
        """Subtracts one tensor of the whole from the parts."""
        return self._each("assign_sub", value, use_locking, name, read_value)

    def _each(self, method, value, use_locking, name, read_value):
        axis, parts = self._partition_axes()[0], self._variable_list
        value = convert_to_tensor(value, self._dtype)
        sizes = [v.get_shape().as_list()[axis] for v in parts]
        pieces = [value] if len(parts) == 1 else array.split(value, sizes, axis)
        return [getattr(part, method)(piece, use_locking=use_locking, read_value=read_value,
                                      name=None if name is None else f"{name}_{i}")
                for i, (part, piece) in enumerate(zip(parts, pieces))]

    def __repr__(self):
        return f"<tf.PartitionedVariable '{self._name}' shape={self._shape} dtype={self._dtype.name} " \
               f"parts={len(self._variable_list)}>"


def _to_tensor(value, dtype=None, name=None, as_ref=False):
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise ValueError(f"Incompatible type conversion requested to type '{dtype.name}' for variable of type "
                         f"'{value.dtype.name}'")
    if as_ref:
        raise NotImplementedError("PartitionedVariable doesn't support being used as a reference: take its parts, "
                                  "list(variable).")
    return value.as_tensor()


register_tensor_conversion_function(PartitionedVariable, _to_tensor, 10)


def part_of(tensor, offset, size):
    """The part of a whole, a tensor, that begins at `offset`."""
    return slicing.slice(tensor, offset, size)


def partitions_of(partitioner, shape, dtype):
    """What a partitioner says, checked: the count of parts in each dimension, at most one above 1."""
    partitions = partitioner(shape=shape, dtype=dtype)
    if not isinstance(partitions, (list, tuple)):
        raise ValueError(f"Partitioner must return a sequence, but saw: {partitions}")
    if len(partitions) != shape.ndims:
        raise ValueError("Partitioner returned a partition list that does not match the Variable's rank: "
                         f"{list(partitions)} vs. {shape}")
    if any(p < 1 for p in partitions):
        raise ValueError(f"Partitioner returned zero partitions for some axes: {list(partitions)}")
    if sum(p > 1 for p in partitions) > 1:
        raise ValueError("Can only slice a variable along one dimension: "
                         f"shape: {shape.as_list()}, partitioning: {list(partitions)}")
    return list(partitions)


def partition_axis(partitions):
    """The dimension that is split, 0 where none is."""
    return next((i for i, p in enumerate(partitions) if p > 1), 0)


def partition_slices(shape, count, axis):
    """(offset, shape) of each part: as equal as can be, the first ones one longer."""
    if count > max(shape[axis], 1):
        raise ValueError(f"Cannot split dimension {axis} of size {shape[axis]} into {count} parts")
    least, longer = divmod(shape[axis], count)
    offset = [0] * len(shape)
    for i in range(count):
        size = list(shape)
        size[axis] = least + (i < longer)
        yield list(offset), size
        offset[axis] += size[axis]


# --- partitioners -------------------------------------------------------------------------------------

def fixed_size_partitioner(num_shards, axis=0):
    """A partitioner that splits dimension `axis` into `num_shards` parts."""
    def partitioner(shape, dtype=None):
        partitions = [1] * shape.ndims
        partitions[axis] = min(num_shards, shape.as_list()[axis])
        return partitions
    return partitioner


def variable_axis_size_partitioner(max_shard_bytes, axis=0, bytes_per_string_element=16, max_shards=None):
    """A partitioner whose parts, split along `axis`, have at most `max_shard_bytes` bytes each."""
    for what, value in (("max_shard_bytes", max_shard_bytes), ("bytes_per_string_element", bytes_per_string_element)):
        if value < 1:
            raise ValueError(f"{what} must be positive.")
    if max_shards and max_shards < 1:
        raise ValueError("max_shards must be positive.")

    def partitioner(shape, dtype):
        sizes = shape.as_list()
        elements = shape.num_elements() // sizes[axis] if sizes[axis] else 0
        slice_bytes = max(elements * (dtype.size or bytes_per_string_element), 1)
        per_shard = max(1, max_shard_bytes // slice_bytes)
        shards = -(-sizes[axis] // per_shard)
        partitions = [1] * len(sizes)
        partitions[axis] = max(1, min(shards, max_shards) if max_shards else shards)
        return partitions
    return partitioner


def min_max_variable_partitioner(max_partitions=1, axis=0, min_slice_size=256 << 10, bytes_per_string_element=16):
    """A partitioner with as many parts along `axis` as leave each at least `min_slice_size` bytes."""
    def partitioner(shape, dtype):
        sizes = shape.as_list()
        total = shape.num_elements() * (dtype.size or bytes_per_string_element)
        partitions = [1] * len(sizes)
        partitions[axis] = max(1, min(sizes[axis], max_partitions, -(-total // min_slice_size)))
        return partitions
    return partitioner


for _name in operators.NAMES:
    def _method(self, *others, _name=_name):
        return getattr(self.as_tensor(), _name)(*others)
    setattr(PartitionedVariable, _name, _method)
