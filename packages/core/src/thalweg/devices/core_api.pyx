"""Core's side of the device contract: what a node tells a device, how errors travel, the table of core's functions."""
from cpython.ref cimport PyObject, Py_INCREF, Py_XDECREF
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY, group_arguments
from thalweg.framework.dtypes import DType, as_dtype

from . import thread_count

from thalweg.devices.abi cimport THW_INTERNAL, THW_INVALID, THW_OOM, THW_UNIMPLEMENTED


cdef extern from "devices/core_api.h" nogil:
    const thw_core_api thw_core
    RunContext* thw_outside_context()
    void thw_set_default_threads(int threads)
    enum:
        THW_ATTR_I64
        THW_ATTR_F64
        THW_ATTR_STR
        THW_ATTR_INTS

cdef extern from * nogil:
    """
    static inline void thw_attr_set_i64(thw_attr* a, int64_t v) { a->kind = THW_ATTR_I64; a->value.i64 = v; }
    static inline void thw_attr_set_f64(thw_attr* a, double v) { a->kind = THW_ATTR_F64; a->value.f64 = v; }
    static inline void thw_attr_set_str(thw_attr* a, const char* text, size_t n) {
      a->kind = THW_ATTR_STR; a->value.str.text = text; a->value.str.length = n;
    }
    static inline void thw_attr_set_ints(thw_attr* a, const int64_t* items, size_t n) {
      a->kind = THW_ATTR_INTS; a->value.ints.items = items; a->value.ints.n = n;
    }
    static inline void thw_attr_set_name(thw_attr* a, const char* name) { a->name = name; }
    """
    void thw_attr_set_name(thw_attr* attr, const char* name)
    void thw_attr_set_i64(thw_attr* attr, int64_t value)
    void thw_attr_set_f64(thw_attr* attr, double value)
    void thw_attr_set_str(thw_attr* attr, const char* text, size_t length)
    void thw_attr_set_ints(thw_attr* attr, const int64_t* items, size_t n)

cdef extern from "devices/pool.h" nogil:
    void thw_pool_set_processors(int count)
    void thw_pool_set_spin(int pauses)
    int thw_pool_started()


# --- errors ---------------------------------------------------------------------------------------------

ERROR_CLASSES = {THW_UNIMPLEMENTED: errors.UnimplementedError, THW_OOM: errors.ResourceExhaustedError,
                 THW_INVALID: errors.InvalidArgumentError, THW_INTERNAL: errors.InternalError}


def error_of_code(int code, message):
    """The exception for a thw_code that a device gave; a code that the contract does not have is an internal error."""
    return ERROR_CLASSES.get(code, errors.InternalError)(None, None, message)


cdef void start_run(RunContext* context, int threads, size_t scratch_bytes) noexcept nogil:
    context.code = context.is_claimed = 0
    context.threads = threads
    context.scratch_bytes = scratch_bytes
    context.exception = NULL
    context.message[0] = 0


cdef void keep_exception(RunContext* context, object error) noexcept:
    cdef bint is_first = not context.is_claimed
    text = f"{type(error).__name__}: {error}".encode("utf-8", "replace")
    thw_core.set_error(context, THW_INTERNAL, text)
    if is_first and context.exception == NULL:
        Py_INCREF(error)
        context.exception = <void*>error


cdef tuple take_error(RunContext* context):
    cdef object error = None
    cdef int code = context.code
    message = (<bytes>context.message).decode("utf-8", "replace") if context.is_claimed else ""
    if context.exception != NULL:
        error = <object>context.exception
        Py_XDECREF(<PyObject*>context.exception)
    start_run(context, context.threads, context.scratch_bytes)
    return code, message, error


cdef tuple take_outside_error():
    return take_error(thw_outside_context())


cdef RunContext* fresh_outside_context() noexcept:
    cdef RunContext* context = thw_outside_context()
    Py_XDECREF(<PyObject*>context.exception)
    start_run(context, 0, 0)
    return context


# --- types ----------------------------------------------------------------------------------------------

cdef struct ElementType:
    uint16_t code, bits

# DataType number -> DLPack code and bits; the quantized and packed types travel as the integers that they are.
cdef ElementType[24] TYPES
memset(TYPES, 0, sizeof(TYPES))

_DL_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6, "x": 4}       # 4: bfloat


def _fill_types():
    for number in range(1, 24):
        dtype = as_dtype(number)
        if dtype.size:
            kind = dtype.kind if dtype.kind != "q" else dtype.np[0].kind
            TYPES[number].code, TYPES[number].bits = _DL_CODES[kind], 8 * dtype.size


_fill_types()


cdef thw_dldtype dl_dtype(int datatype) noexcept nogil:
    cdef thw_dldtype result
    datatype %= 100
    result.code = <unsigned char>TYPES[datatype].code if 0 < datatype < 24 else 0
    result.bits = <unsigned char>TYPES[datatype].bits if 0 < datatype < 24 else 0
    result.lanes = 1 if result.bits else 0
    return result


cdef size_t item_size(int datatype) noexcept nogil:
    datatype %= 100
    return TYPES[datatype].bits // 8 if 0 < datatype < 24 else 0


# --- the table and the threads --------------------------------------------------------------------------

cdef const thw_core_api* core_table() noexcept nogil:
    return &thw_core


cdef tuple reserve_random(thw_rng* rng, uint64_t blocks):
    cdef uint32_t[4] counter
    cdef uint32_t[2] key
    thw_core.rng_reserve(NULL, rng, blocks, counter, key)
    return (counter[0], counter[1], counter[2], counter[3]), (key[0], key[1])


cdef int fill_rng(thw_rng* rng, key, counter) except -1:
    rng.key[0], rng.key[1] = key
    rng.counter[0] = <uint64_t>counter[0] | <uint64_t>counter[1] << 32
    rng.counter[1] = <uint64_t>counter[2] | <uint64_t>counter[3] << 32
    return 0


cdef int _threads = 0                    # in force
cdef bint _is_wish = False               # somebody has asked for that number


def set_threads(int threads=0):
    """Sets how many threads a region of work may use, the caller among them; 0: as many as the process may have.

    Returns the number that is now in force. A run whose session says otherwise follows its session.
    """
    global _threads, _is_wish
    thw_pool_set_processors(thread_count.processors())
    count = threads if threads > 0 else thread_count.default_threads()
    _threads, _is_wish = count, threads > 0
    thw_set_default_threads(count)
    return count


def threads():
    """How many threads a region of work may use now, where its session does not say.

    Each new session looks at the affinity mask, the control groups and THALWEG_NUM_THREADS again, unless `set_threads`
    was given a number.
    """
    return _threads


def follow_processors():
    """Sets the number of threads anew by what the process may have now; leaves a number that was asked for."""
    return _threads if _is_wish else set_threads()


def set_spin(int pauses):
    """Sets how long an idle worker spins before it sleeps; 2000 pauses, the default, are about 40 microseconds."""
    thw_pool_set_spin(pauses)


def started_workers():
    """Worker threads that this process has started so far; they start with the first region that can use them."""
    return thw_pool_started()


set_threads()


# --- a node, as devices see it --------------------------------------------------------------------------

cdef class KernelRequest:
    """One node of a plan, for which a kernel is asked.

    Parameters
    ----------
    op_type : str
    attrs : dict                plain values: int, float, bool, str, DType, shapes and lists of ints
    in_shapes, out_shapes :     plain shapes
    in_dtypes, out_dtypes :     DTypes or DataType numbers
    values : dict               input number -> NumPy array, where an input is constant in the plan
    declaration :               the op's declaration; looked up by the op type when None
    name : str                  the node's name, for messages

    Besides the attributes, kernels can read `kernel:<kind>` (str), the names under which the declaration lists
    kernels, and `inputs:ref` (ints), the inputs that are a variable's own buffer.
    Plans add `inputs:lasting` (ints), the inputs that may keep their bytes from run to run.
    """

    def __init__(self, str op_type, attrs, in_shapes, out_shapes, in_dtypes, out_dtypes, values=None,
                 declaration=None, str name=""):
        self.op_type, self.name = op_type, name
        self.attrs, self.values = dict(attrs or {}), dict(values or {})
        self.in_shapes, self.out_shapes = tuple(in_shapes), tuple(out_shapes)
        self.in_dtypes = tuple([int(as_dtype(d)) % 100 for d in in_dtypes])
        self.out_dtypes = tuple([int(as_dtype(d)) % 100 for d in out_dtypes])
        self.declaration = REGISTRY.get(op_type) if declaration is None else declaration
        if len(self.in_shapes) != len(self.in_dtypes) or len(self.out_shapes) != len(self.out_dtypes):
            raise ValueError(f"{op_type}: {len(self.in_shapes)} input shapes and {len(self.in_dtypes)} dtypes, "
                             f"{len(self.out_shapes)} output shapes and {len(self.out_dtypes)} dtypes")
        self.ref_inputs = self.ref_outputs = ()
        if self.declaration is not None:
            self.ref_inputs = _ref_operands(self.declaration.inputs, len(self.in_dtypes), self.attrs)
            self.ref_outputs = _ref_operands(self.declaration.outputs, len(self.out_dtypes), self.attrs)
        self.memory = []
        self._describe()

    cdef int _describe(self) except -1:
        """Fills `node` and `desc`, so that devices read them without Python."""
        cdef thw_node* node = &self.node
        node.python = <void*>self
        node.n_in, node.n_out = <int32_t>len(self.in_dtypes), <int32_t>len(self.out_dtypes)
        node.in_shapes = _shapes(self.in_shapes, self.memory)
        node.out_shapes = _shapes(self.out_shapes, self.memory)
        node.in_values = _values(self.values, node.n_in, self.memory)
        attrs = self._readable_attrs()
        node.attrs = <thw_attr*>_zeros(len(attrs) * sizeof(thw_attr), self.memory)
        for name, value in attrs.items():
            if _set_attr(&node.attrs[node.n_attrs], name, value, self.memory):
                node.n_attrs += 1
        op_type = self.op_type.encode()
        self.memory.append(op_type)
        self.desc.struct_size = sizeof(thw_op_desc)
        self.desc.op, self.desc.op_type = node, op_type
        self.desc.n_in, self.desc.n_out = node.n_in, node.n_out
        self.desc.in_dtypes = _numbers(self.in_dtypes, self.memory)
        self.desc.out_dtypes = _numbers(self.out_dtypes, self.memory)
        return 0

    def _readable_attrs(self):
        attrs = dict(self.attrs)
        if self.declaration is not None:
            attrs.update({f"kernel:{kind}": name for kind, name in self.declaration.kernels.items()})
        if self.ref_inputs:
            attrs["inputs:ref"] = self.ref_inputs
        return attrs

    def __repr__(self):
        ins = ", ".join(f"{as_dtype(d).name} {s}" for d, s in zip(self.in_dtypes, self.in_shapes))
        outs = ", ".join(f"{as_dtype(d).name} {s}" for d, s in zip(self.out_dtypes, self.out_shapes))
        return f"<request {self.op_type} {self.name!r}: {ins} -> {outs}>"


cdef class _Memory:
    """Zeroed memory that lives as long as this object."""
    cdef void* data

    def __cinit__(self, size_t nbytes):
        self.data = calloc(1, nbytes if nbytes else 1)
        if self.data == NULL:
            raise MemoryError(f"{nbytes} bytes")

    def __dealloc__(self):
        free(self.data)


cdef void* _zeros(size_t nbytes, list keep) except NULL:
    cdef _Memory memory = _Memory(nbytes)
    keep.append(memory)
    return memory.data


cdef int64_t* _ints(values, list keep) except NULL:
    cdef int64_t* target = <int64_t*>_zeros(len(values) * sizeof(int64_t), keep)
    for i, value in enumerate(values):
        target[i] = value
    return target


cdef uint16_t* _numbers(tuple values, list keep) except NULL:
    cdef uint16_t* target = <uint16_t*>_zeros(len(values) * sizeof(uint16_t), keep)
    for i, value in enumerate(values):
        target[i] = value
    return target


cdef thw_shape* _shapes(tuple shapes, list keep) except NULL:
    cdef thw_shape* target = <thw_shape*>_zeros(len(shapes) * sizeof(thw_shape), keep)
    for i, shape in enumerate(shapes):
        if shape is None or None in shape:
            target[i].ndim = -1
        else:
            target[i].ndim = <int32_t>len(shape)
            target[i].dims = _ints(shape, keep)
    return target


cdef thw_tensor* _values(dict values, int n_in, list keep) except NULL:
    cdef thw_tensor* target = <thw_tensor*>_zeros(n_in * sizeof(thw_tensor), keep)
    cdef thw_tensor* tensor
    for k, value in values.items():
        array = np.asarray(value, order="C")
        dtype = as_dtype(array.dtype)
        if not dtype.size:
            continue                                        # strings: nothing that C could read
        keep.append(array)
        tensor = &target[<int>k]
        tensor.data = <void*><uintptr_t>array.ctypes.data
        tensor.device.dl_type = 1                           # kDLCPU
        tensor.ndim = array.ndim
        tensor.dtype = dl_dtype(int(dtype))
        tensor.shape = _ints(array.shape, keep)
    return target


def _ref_operands(arguments, count, attrs):
    """Numbers of the operands, flat, that are a variable's own buffer."""
    if not any([a.is_ref for a in arguments]):
        return ()
    groups = group_arguments(arguments, list(range(count)), attrs)
    return tuple([k for argument, group in zip(arguments, groups) if argument.is_ref
                  for k in (group if argument.is_list else [group])])


cdef bint _set_attr(thw_attr* attr, str name, value, list keep) except -1:
    """Whether `value` is of a kind that kernels can read; a list of strings or floats is read as one string."""
    cdef bytes text
    if isinstance(value, (list, tuple)) and value and all([isinstance(v, (str, float)) for v in value]):
        value = ",".join([v if isinstance(v, str) else repr(v) for v in value])
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        thw_attr_set_i64(attr, int(value))
    elif isinstance(value, DType):
        thw_attr_set_i64(attr, value.as_datatype_enum % 100)
    elif isinstance(value, (float, np.floating)):
        thw_attr_set_f64(attr, float(value))
    elif isinstance(value, (str, bytes)):
        text = value.encode() if isinstance(value, str) else value
        keep.append(text)
        thw_attr_set_str(attr, text, len(text))
    else:
        items = _as_ints(value)
        if items is None:
            return False
        thw_attr_set_ints(attr, _ints(items, keep), len(items))
    text = name.encode()
    keep.append(text)
    thw_attr_set_name(attr, text)
    return True


cdef list _as_ints(value):
    """Lists of ints, bools and DTypes, and shapes (None dimensions as -1); None for anything else."""
    if not isinstance(value, (list, tuple)):
        return None
    items = []
    for item in value:
        if isinstance(item, DType):
            items.append(item.as_datatype_enum % 100)
        elif item is None:
            items.append(-1)
        elif isinstance(item, (int, bool, np.integer)):
            items.append(int(item))
        else:
            return None
    return items
