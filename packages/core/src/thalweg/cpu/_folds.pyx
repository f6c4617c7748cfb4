"""The tables of reduction loops of this machine's instruction set."""


cdef extern from "cpu/c/reduction.h" nogil:
    ctypedef struct thw_arg_entry:
        unsigned char dtype
        unsigned char is_max
        unsigned char index_bytes
        thw_arg_loop fn
    ctypedef struct thw_scan_entry:
        const char* op
        unsigned char dtype
        thw_scan_loop fn
    ctypedef struct thw_reduction_table:
        const thw_fold* folds
        int n_folds
        const thw_arg_entry* args
        int n_args
        const thw_scan_entry* scans
        int n_scans
    const thw_reduction_table* thw_reduction()


cdef const thw_reduction_table* TABLE = thw_reduction()


cdef const thw_fold* find_fold(str name, int dtype) noexcept:
    cdef int i
    for i in range(TABLE.n_folds):
        if TABLE.folds[i].dtype == dtype and TABLE.folds[i].op.decode() == name:
            return &TABLE.folds[i]
    return NULL


cdef thw_arg_loop find_arg(bint is_max, int dtype, int index_bytes) noexcept:
    cdef int i
    for i in range(TABLE.n_args):
        if (TABLE.args[i].dtype == dtype and TABLE.args[i].is_max == is_max
                and TABLE.args[i].index_bytes == index_bytes):
            return TABLE.args[i].fn
    return NULL


cdef thw_scan_loop find_scan(str op_type, int dtype) noexcept:
    cdef int i
    for i in range(TABLE.n_scans):
        if TABLE.scans[i].dtype == dtype and TABLE.scans[i].op.decode() == op_type:
            return TABLE.scans[i].fn
    return NULL
