"""The number types of every CPU loop; nothing else defines one."""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef Py_ssize_t dim_t
ctypedef float float32_t
ctypedef double float64_t

ctypedef fused real_t:
    float32_t
    float64_t
