// The part of the CUDA driver's binary interface that the stand-in speaks: result codes, handles and structures, as
// NVIDIA documents them. Written for these tests; no header of NVIDIA's is used.
#ifndef STANDIN_ABI_H
#define STANDIN_ABI_H
#include <cstddef>

typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct Context *CUcontext;
typedef struct Stream *CUstream;
typedef struct Event *CUevent;
typedef struct Module *CUmodule;
typedef struct Function *CUfunction;
typedef struct Graph *CUgraph;
typedef struct GraphExec *CUgraphExec;
typedef const void *CUgraphNode;

enum : CUresult {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, INVALID_PTX = 218, FILE_NOT_FOUND = 301,
    INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, LAUNCH_OUT_OF_RESOURCES = 701,
    PEER_ACCESS_ALREADY_ENABLED = 704, PEER_ACCESS_NOT_ENABLED = 705, CONTEXT_IS_DESTROYED = 709, TOO_MANY_PEERS = 711,
    HOST_MEMORY_ALREADY_REGISTERED = 712, HOST_MEMORY_NOT_REGISTERED = 713, LAUNCH_FAILED = 719, NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_MERGE = 902, CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904, CAPTURE_ISOLATION = 905, CAPTURE_IMPLICIT = 906, CAPTURED_EVENT = 907,
    CAPTURE_WRONG_THREAD = 908, GRAPH_EXEC_UPDATE_FAILURE = 910,
};

// Handles with a meaning of their own.
#define STREAM_LEGACY ((CUstream)1)
#define STREAM_PER_THREAD ((CUstream)2)
#define LAUNCH_PARAM_END ((void *)0)
#define LAUNCH_PARAM_BUFFER_POINTER ((void *)1)
#define LAUNCH_PARAM_BUFFER_SIZE ((void *)2)

enum { STREAM_NON_BLOCKING = 1, EVENT_DISABLE_TIMING = 2 };
enum { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };
enum { MEMORY_HOST = 1, MEMORY_DEVICE = 2, MEMORY_ARRAY = 3, MEMORY_UNIFIED = 4 };
enum { FUNC_MAX_THREADS = 0, FUNC_SHARED_BYTES = 1, FUNC_CONST_BYTES = 2, FUNC_LOCAL_BYTES = 3, FUNC_REGISTERS = 4,
       FUNC_PTX_VERSION = 5, FUNC_BINARY_VERSION = 6, FUNC_CACHE_MODE_CA = 7, FUNC_MAX_DYNAMIC_SHARED = 8,
       FUNC_CARVEOUT = 9 };
enum { POINTER_CONTEXT = 1, POINTER_MEMORY_TYPE = 2, POINTER_DEVICE = 3, POINTER_HOST = 4, POINTER_BUFFER_ID = 7,
       POINTER_IS_MANAGED = 8, POINTER_ORDINAL = 9, POINTER_RANGE_START = 11, POINTER_RANGE_SIZE = 12,
       POINTER_MAPPED = 13 };
enum { JIT_INFO_LOG_BYTES = 4, JIT_ERROR_LOG_BYTES = 6 };

struct CUmemcpy2D {
    size_t src_x, src_y;
    int src_type;
    const void *src_host;
    CUdeviceptr src_device;
    void *src_array;
    size_t src_pitch, dst_x, dst_y;
    int dst_type;
    void *dst_host;
    CUdeviceptr dst_device;
    void *dst_array;
    size_t dst_pitch, width, height;
};

struct CUgraphExecUpdateResultInfo {
    int result;
    CUgraphNode error_node, error_from_node;
};

#define API extern "C" __attribute__((visibility("default"))) CUresult
#endif
