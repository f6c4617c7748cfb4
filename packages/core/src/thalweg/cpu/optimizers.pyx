"""Ops that write variables: assignments, and the steps of the optimizers (formulas in cpu/c/optimizers_impl.h).

A variable's buffer is input 0, its slots the inputs after it, and output 0 is input 0's buffer. Each step is one sweep
over all of them; the sparse steps do it for the rows that `indices` names, one after the other.
"""
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memmove

from math import prod

from thalweg.cpu._loops cimport find_loop, item_size, thw_loop, thw_loop_entry
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/optimizers.h" nogil:
    ctypedef void (*thw_update)(void* const* x, int option, int64_t begin, int64_t end) noexcept nogil
    ctypedef struct thw_update_entry:
        const char* op
        const char* inputs
        unsigned char dtype
        thw_update fn
    ctypedef struct thw_optimizers_table:
        const thw_update_entry* entries
        int count
    const thw_optimizers_table* thw_optimizers()
    enum:
        THW_SLOT
        THW_GRADIENT
        THW_HYPER


cdef const thw_optimizers_table* TABLE = thw_optimizers()

cdef enum:
    MAX_INPUTS = 16
    GRAIN = 32768               # elements of a step
    COPY_GRAIN = 262144         # bytes of an assignment
    INT64 = 9


# --- Assign, AssignAdd, AssignSub -----------------------------------------------------------------------------------

cdef struct AssignState:
    thw_loop loop               # NULL: copy
    int item
    int64_t n
    int64_t grain


def assign(Request r):
    """Prepare Assign: the value's bytes into the variable's buffer."""
    if r.in_shapes[0] != r.in_shapes[1] or r.in_dtypes[0] != r.in_dtypes[1]:
        raise ValueError(f"Assign: a value of shape {r.in_shapes[1]} for a variable of shape {r.in_shapes[0]}")
    cdef AssignState* state = <AssignState*>r.new_state(sizeof(AssignState))
    state.item, state.n = item_size(r.in_dtypes[1]), prod(r.in_shapes[1])
    state.grain = COPY_GRAIN // state.item
    r.set(assign_all)


def assign_add(Request r):
    """Prepare AssignAdd and AssignSub."""
    op = "Add" if r.op_type == "AssignAdd" else "Sub"
    cdef const thw_loop_entry* entry = find_loop(op, r.in_dtypes[1])
    if entry == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[1]}")
    if r.in_shapes[0] != r.in_shapes[1]:
        raise ValueError(f"{r.op_type}: a value of shape {r.in_shapes[1]} for a variable of shape {r.in_shapes[0]}")
    cdef AssignState* state = <AssignState*>r.new_state(sizeof(AssignState))
    state.loop, state.item, state.n, state.grain = entry.fn, item_size(r.in_dtypes[1]), prod(r.in_shapes[1]), GRAIN
    r.set(assign_all)


assign_sub = assign_add


cdef struct AssignJob:
    const AssignState* state
    char* ref
    const char* value


cdef int assign_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                    int32_t n_out) noexcept nogil:
    cdef const AssignState* state = <const AssignState*>call.state
    cdef AssignJob job = AssignJob(state, <char*>x[0].data, <const char*>x[1].data)
    if state.loop == NULL and job.ref == job.value:
        return THW_OK
    if state.n <= state.grain:
        assign_some(&job, 0, state.n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.n, state.grain, assign_some, &job)
    return THW_OK


cdef void assign_some(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const AssignJob* job = <const AssignJob*>arg
    cdef int item = job.state.item
    cdef const void* pair[2]
    cdef int64_t step[2]
    if job.state.loop == NULL:
        memmove(job.ref + begin * item, job.value + begin * item, (end - begin) * item)
        return
    pair[0], pair[1] = job.ref + begin * item, job.value + begin * item
    step[0] = step[1] = 1
    job.state.loop(pair, step, job.ref + begin * item, end - begin, 0)


# --- optimizer steps ---------------------------------------------------------------------------------------------

cdef struct State:
    thw_update update
    int option                  # use_nesterov or update_slots
    int n_inputs                # of the dense step
    char kind[MAX_INPUTS]       # of each: THW_SLOT, THW_GRADIENT, THW_HYPER
    int64_t n                   # elements of the variable; of a row if sparse
    int item
    int indices                 # the input that holds them, if sparse
    int is_int64
    int64_t n_indices
    int64_t n_rows


def apply(Request r):
    """Prepare Apply... and SparseApply... of float32 or float64: the ops of cpu/c/optimizers_impl.h."""
    is_sparse = r.op_type.startswith("Sparse")
    cdef const thw_update_entry* entry = _find_update(r.op_type.removeprefix("Sparse"), r.in_dtypes[0])
    if entry == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no step for DataType {r.in_dtypes[0]}")
    kinds = entry.inputs.decode()
    if r.n_in != len(kinds) + is_sparse:
        raise ValueError(f"{r.op_type}: {r.n_in} inputs, expected {len(kinds) + is_sparse}")
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.update, state.n_inputs, state.item = entry.fn, len(kinds), item_size(r.in_dtypes[0])
    memcpy(state.kind, entry.inputs, len(kinds))
    state.option = r.attr_bool("use_nesterov", False) or r.attr_bool("update_slots", False)
    _check_shapes(r, kinds, is_sparse)
    shape = r.in_shapes[0]
    if is_sparse:
        state.indices = kinds.index("g") + 1
        state.is_int64 = r.in_dtypes[state.indices] == INT64
        state.n_rows, state.n_indices, state.n = shape[0], r.in_shapes[state.indices][0], prod(shape[1:])
        r.set(update_rows)
    else:
        state.n = prod(shape)
        r.set(update_all)


cdef const thw_update_entry* _find_update(str op, int dtype) noexcept:
    cdef int i
    for i in range(TABLE.count):
        if TABLE.entries[i].dtype == dtype and TABLE.entries[i].op.decode() == op:
            return &TABLE.entries[i]
    return NULL


def _check_shapes(Request r, kinds, is_sparse):
    shapes = list(r.in_shapes)
    of_gradient = shapes[0]
    if is_sparse:
        indices = shapes.pop(kinds.index("g") + 1)
        if len(indices) != 1:
            raise ValueError(f"{r.op_type}: indices of shape {indices}, expected a vector")
        of_gradient = indices + shapes[0][1:]
    expected = {"v": shapes[0], "g": of_gradient, "h": ()}
    for k, (kind, shape) in enumerate(zip(kinds, shapes)):
        if shape != expected[kind]:
            raise ValueError(f"{r.op_type}: operand {k} has shape {shape}, expected {expected[kind]}")


cdef struct Job:
    const State* state
    void* x[MAX_INPUTS]


cdef int update_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                    int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job
    cdef int k
    job.state = state
    for k in range(n_in):
        job.x[k] = x[k].data
    if state.n <= GRAIN:
        state.update(job.x, state.option, 0, state.n)
    else:
        call.core.parallel_for(call.core_ctx, state.n, GRAIN, update_some, &job)
    return THW_OK


cdef void update_some(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    job.state.update(job.x, job.state.option, begin, end)


cdef int update_rows(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                     int32_t n_out) noexcept nogil:
    """In the order of the indices: a row that is named twice is updated twice."""
    cdef const State* state = <const State*>call.state
    cdef const void* indices = x[state.indices].data
    cdef void* moved[MAX_INPUTS]
    cdef char message[96]
    cdef int64_t i, row, shift
    cdef int k
    for i in range(state.n_indices):
        row = (<const int64_t*>indices)[i] if state.is_int64 else (<const int32_t*>indices)[i]
        if row < 0 or row >= state.n_rows:
            snprintf(message, sizeof(message), b"Index %lld at offset %lld in indices is out of range",
                     <long long>row, <long long>i)
            call.core.set_error(call.core_ctx, THW_INVALID, message)
            return THW_INVALID
        for k in range(state.n_inputs):
            shift = row if state.kind[k] == THW_SLOT else i if state.kind[k] == THW_GRADIENT else 0
            moved[k] = <char*>x[k + (k >= state.indices)].data + shift * state.n * state.item
        state.update(moved, state.option, 0, state.n)
    return THW_OK


# One name per op, as the declarations write them.
apply_gradient_descent = apply_momentum = apply_adam = apply_ada_max = apply_adagrad = apply_adagrad_v2 = apply
apply_rms_prop = apply_centered_rms_prop = apply_adadelta = apply_ftrl = apply_ftrl_v2 = apply
apply_proximal_gradient_descent = apply_proximal_adagrad = apply_adagrad_da = apply_add_sign = apply_power_sign = apply
sparse_apply_momentum = sparse_apply_adagrad = sparse_apply_adagrad_v2 = sparse_apply_rms_prop = apply
sparse_apply_centered_rms_prop = sparse_apply_adadelta = sparse_apply_ftrl = sparse_apply_ftrl_v2 = apply
sparse_apply_proximal_gradient_descent = sparse_apply_proximal_adagrad = sparse_apply_adagrad_da = apply
