"""The region kernel: a chain of elementwise ops run as a little program, block by block, so that what passes between
the ops stays in the L1 cache and never reaches memory; between two ops that have a loop together, in registers.

Attributes of a `_Region` node (lists of strings and floats arrive as one string with commas):
    ops      op types in the order of execution
    args     operands of each op, three slots per op (or two); slot k < n_in is input k, slot n_in + j the result of
             op j, -1 nothing
    alphas   the constant of each op, for those that have one
    results  numbers of the ops whose results leave the region, one per output
Inputs broadcast against each other; every output has the shape of the whole.
"""
from libc.string cimport memcpy

from collections import Counter
from math import prod

from thalweg.cpu._loops cimport (find_loop, find_pair, find_streamed, init_grid, init_operand, item_size, loop_error,
                                 operand_block, stream_end, thw_block, thw_block_at, thw_grid, thw_loop,
                                 thw_loop_entry, thw_operand, tile_operand)
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport (THW_INPLACE, THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor, uint64_t)

from thalweg.cpu._loops import pairs, supported
from thalweg.cpu._request import Unsupported

cdef enum:
    MAX_OPERANDS = 3
    MAX_INPUTS = 64
    MAX_OPS = 1024
    BLOCK_BYTES = 4096          # of one value: a handful of values fit into the L1 cache
    NOWHERE = -1

PAIRS = pairs()

# Elementwise ops that a region of float32 or float64 may hold.
SUPPORTED = frozenset([op for op, dtype in supported() if dtype == 1 and (op, 2) in supported()])


cdef struct Step:
    thw_loop loop
    thw_loop streamed           # for a result that leaves the region and is read by nothing in it; or NULL
    double alpha
    int arity
    int item                    # bytes of an element of the result
    int slot[MAX_OPERANDS]      # inputs, then results
    int output                  # number of the output that the result is, or NOWHERE:
    int64_t at                  # then its place in scratch memory


cdef struct State:
    int n_in
    int n_ops
    bint is_streamed            # some results are stored past the caches
    int64_t grain               # blocks of a chunk
    thw_grid grid
    thw_operand operands[MAX_INPUTS]
    Step steps[1]               # n_ops of them


# --- prepare ---------------------------------------------------------------------------------------------------------

def region(Request r):
    """Prepare a `_Region` of float32 or float64."""
    ops = ["Add" if op == "AddV2" else op for op in r.attr_str("ops").split(",")]
    slots = _slots(r, ops)
    alphas = [float(a) for a in r.attr_str("alphas", "").split(",") if a]
    if r.n_in > MAX_INPUTS or len(ops) > MAX_OPS:
        raise Unsupported(f"a region of {len(ops)} ops over {r.n_in} inputs: at most {MAX_OPS} over {MAX_INPUTS}")
    results = list(r.attr_ints("results"))
    if len(set(results)) != len(results) or len(results) != r.n_out or len(set(r.out_shapes)) != 1:
        raise Unsupported(f"a region with results {results} for outputs of shapes {r.out_shapes}")
    ops, slots, alphas, results = _join_pairs(r.n_in, ops, slots, alphas, results)
    cdef State* state = <State*>r.new_state(sizeof(State) + len(ops) * sizeof(Step))
    state.n_in, state.n_ops = r.n_in, len(ops)
    dtypes, cost = _find_loops(r, state, ops, slots, alphas)
    for number, result in enumerate(results):
        state.steps[<int>result].output = number
        if dtypes[r.n_in + result] != r.out_dtypes[number]:
            raise ValueError(f"region: output {number} has DataType {r.out_dtypes[number]}, "
                             f"its op gives {dtypes[r.n_in + result]}")
    _find_streamed_loops(r, state, ops, slots, results)
    _plan_blocks(r, state, cost)
    r.kernel.scratch_bytes = r.kernel.workspace_bytes = _place_results(state, slots)
    r.set(run_program, _inplace_flags(r, state, slots, results[0]))


def _slots(Request r, ops):
    """The operands of each op, as a tuple of slots."""
    args = r.attr_ints("args")
    per_op = len(args) // len(ops)
    if per_op * len(ops) != len(args) or not 2 <= per_op <= MAX_OPERANDS:
        raise ValueError(f"region: {len(args)} operands for {len(ops)} ops, expected two or three each")
    slots = [tuple([a for a in args[i * per_op:(i + 1) * per_op] if a >= 0]) for i in range(len(ops))]
    for j, operands in enumerate(slots):
        if not operands or max(operands) >= r.n_in + j:
            raise ValueError(f"region: op {j}, {ops[j]}, takes slots {operands}; it may take those below {r.n_in + j}")
    return slots


def _join_pairs(n_in, ops, slots, alphas, results):
    """The program with one op in the place of two where their pair has a loop, and nothing else takes the first's
    result. The order of two addends does not show."""
    uses = Counter([slot for operands in slots for slot in operands])
    joined, gone = {}, set()                                    # number of the second op -> (name, operands)
    for j, (op, operands) in enumerate(zip(ops, slots)):
        for k, slot in enumerate(operands):
            first = slot - n_in
            name = f"{ops[first]}+{op}" if first >= 0 else None
            if name in PAIRS and uses[slot] == 1 and first not in results and first not in joined \
                    and (k == 0 or op in ("Add", "Mul")):
                joined[j] = name, slots[first] + operands[:k] + operands[k + 1:]
                gone.add(first)
                break
    if not joined:
        return ops, slots, alphas, results
    kept = [j for j in range(len(ops)) if j not in gone]
    number = {**{k: k for k in range(n_in)}, **{n_in + j: n_in + i for i, j in enumerate(kept)}}
    program = [joined.get(j, (ops[j], slots[j])) for j in kept]
    return ([op for op, _ in program], [tuple([number[slot] for slot in operands]) for _, operands in program],
            [alphas[j] if j < len(alphas) else 0.0 for j in kept], [number[n_in + j] - n_in for j in results])


cdef tuple _find_loops(Request r, State* state, list ops, list slots, list alphas):
    """Fills loops, constants and operands in; gives the dtype of every slot and the cost of one element."""
    cdef const thw_loop_entry* entry
    cdef Step* step
    dtypes = list(r.in_dtypes)
    cost = 0.0
    for j, (op, operands) in enumerate(zip(ops, slots)):
        dtype = dtypes[operands[len(operands) - 1]]
        entry = find_pair(op, dtype) if op in PAIRS else find_loop(op, dtype)
        is_known = op in SUPPORTED or op in PAIRS or op == "Select" or op.startswith("Logical")
        if not is_known or entry == NULL:
            raise Unsupported(f"{op} of DataTypes {[dtypes[k] for k in operands]} in a region")
        if entry.arity != len(operands):
            raise ValueError(f"region: op {j}, {op}, takes {entry.arity} operands, not {len(operands)}")
        step = &state.steps[<int>j]
        step.loop, step.arity, step.item, step.output = entry.fn, entry.arity, item_size(entry.out_dtype), NOWHERE
        step.alpha = alphas[j] if j < len(alphas) else 0
        for i, slot in enumerate(operands):
            step.slot[<int>i] = slot
        dtypes.append(entry.out_dtype)
        cost += 1.0 / entry.grain
    return dtypes, cost


cdef int _find_streamed_loops(Request r, State* state, list ops, list slots, list results) except -1:
    read = {slot for operands in slots for slot in operands}
    for result, dtype, shape in zip(results, r.out_dtypes, r.out_shapes):
        if r.n_in + result not in read:
            state.steps[<int>result].streamed = find_streamed(ops[result], dtype, prod(shape))
            state.is_streamed |= state.steps[<int>result].streamed != NULL
    return 0


cdef int _plan_blocks(Request r, State* state, double cost) except -1:
    cdef int largest = 1
    cdef int64_t block
    shape = r.out_shapes[0]
    for k in range(r.n_in):
        init_operand(&state.operands[k], item_size(r.in_dtypes[k]), r.in_shapes[k], shape)
        largest = max(largest, state.operands[k].item)
    block = BLOCK_BYTES // largest
    # A single op has nothing to keep in the L1 cache.
    init_grid(&state.grid, shape, state.operands, r.n_in, <int64_t>(1 / cost) if state.n_ops == 1 else block, block)
    state.grain = max(1, <int64_t>(1 / cost) // max(1, state.grid.block))
    return 0


cdef int64_t _place_results(State* state, list slots) except -1:
    """Gives every result that stays inside a place in scratch memory, places of the dead again; its size in bytes.

    A result may take the place of an operand that dies with its op if their elements are as large: loops allow that.
    """
    cdef int64_t top = state.grid.scratch_bytes
    cdef Step* step
    last_use = {slot: j for j, operands in enumerate(slots) for slot in operands}
    places = {}                                                 # slot -> (bytes of an element, place)
    free = {}                                                   # bytes of an element -> places
    for j in range(state.n_ops):
        step, slot = &state.steps[j], state.n_in + j
        dying = [places.pop(k) for k in set(slots[j]) if k in places and last_use[k] == j]
        if step.output == NOWHERE:
            mine = next((place for place in dying if place[0] == step.item), None)
            if mine is not None:
                dying.remove(mine)
            elif free.get(step.item):
                mine = (step.item, free[step.item].pop())
            else:
                mine = (step.item, top)
                top += (state.grid.block * step.item + 63) // 64 * 64
            places[slot], step.at = mine, mine[1]
            if slot not in last_use:                            # computed for nothing
                dying.append(places.pop(slot))
        for item, place in dying:
            free.setdefault(item, []).append(place)
    return top


cdef uint64_t _inplace_flags(Request r, State* state, list slots, int result) except? 0:
    """The inputs that output 0 may overwrite: as large as it, and not read once it is written."""
    cdef uint64_t flags = 0
    last_use = {slot: j for j, operands in enumerate(slots) for slot in operands}
    for k in range(min(8, r.n_in)):
        if (r.in_shapes[k] == r.out_shapes[0] and state.operands[k].item == state.steps[result].item
                and last_use.get(k, 0) <= result):
            flags |= THW_INPLACE(k)
    return flags


# --- run -------------------------------------------------------------------------------------------------------------

cdef struct Job:
    const State* state
    const thw_tensor* x
    thw_tensor* y
    bint is_streamed
    int error


cdef int run_program(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, x, y, state.is_streamed, 0)
    cdef int k
    for k in range(n_in):
        if x[k].data == y[0].data:                              # its lines are in the caches
            job.is_streamed = False
    if state.grid.n_blocks <= state.grain:
        some_blocks(&job, 0, state.grid.n_blocks, call.workspace)
    else:
        call.core.parallel_for(call.core_ctx, state.grid.n_blocks, state.grain, some_blocks, &job)
    if job.error:
        call.core.set_error(call.core_ctx, THW_INVALID, loop_error(job.error))
        return THW_INVALID
    return THW_OK


cdef void some_blocks(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef Job* job = <Job*>arg
    cdef const State* state = job.state
    cdef const thw_grid* grid = &state.grid
    cdef const void* data[MAX_INPUTS + MAX_OPS]
    cdef int64_t step[MAX_INPUTS + MAX_OPS]
    cdef thw_block block
    cdef int64_t i
    cdef int k
    for k in range(state.n_in):
        tile_operand(grid, &state.operands[k], job.x[k].data, <char*>scratch)
    for i in range(begin, end):
        block = thw_block_at(grid, i)
        for k in range(state.n_in):
            data[k] = operand_block(grid, &state.operands[k], job.x[k].data, block, <char*>scratch, &step[k])
        run_steps(job, block, <char*>scratch, data, step)
    if job.is_streamed:
        stream_end()


cdef void run_steps(Job* job, thw_block block, char* scratch, const void** data, int64_t* step) noexcept nogil:
    """All ops on one block. Steps pass on: what is made of single values alone is a single value."""
    cdef const State* state = job.state
    cdef const Step* op = &state.steps[0]
    cdef const void* x[MAX_OPERANDS]
    cdef int64_t x_step[MAX_OPERANDS]
    cdef int64_t any_step
    cdef thw_loop loop
    cdef char* y
    cdef int j, k, error
    for j in range(state.n_in, state.n_in + state.n_ops):
        any_step = 0
        for k in range(op.arity):
            x[k], x_step[k] = data[op.slot[k]], step[op.slot[k]]
            any_step |= x_step[k]
        y = scratch + op.at
        if op.output != NOWHERE:
            y = <char*>job.y[op.output].data + block.start * op.item
        loop = op.streamed if job.is_streamed and op.streamed != NULL else op.loop
        error = loop(x, x_step, y, block.size if any_step else 1, op.alpha)
        if error:
            job.error = error
        if op.output != NOWHERE and not any_step:
            repeat(y, op.item, block.size)
            any_step = 1
        data[j], step[j] = y, any_step
        op += 1


cdef void repeat(char* y, int item, int64_t n) noexcept nogil:
    """Spreads the first element over all n."""
    cdef int64_t i
    for i in range(1, n):
        memcpy(y + i * item, y, item)
