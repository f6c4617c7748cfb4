// What there is to know about the devices. Attributes are those of an H200.
#include "state.h"

API cuDeviceGetCount(int *n)
{
    ENTER
    *n = (int)state().devices.size();
    return SUCCESS;
}

API cuDeviceGet(CUdevice *handle, int ordinal)
{
    ENTER_DEVICE
    *handle = ordinal;
    return SUCCESS;
}

API cuDeviceGetName(char *name, int room, CUdevice ordinal)
{
    ENTER_DEVICE
    snprintf(name, room, "thalweg stand-in");
    return SUCCESS;
}

API cuDeviceTotalMem_v2(size_t *bytes, CUdevice ordinal)
{
    ENTER_DEVICE
    *bytes = device.total;
    return SUCCESS;
}

API cuDeviceComputeCapability(int *major, int *minor, CUdevice ordinal)
{
    ENTER_DEVICE
    *major = state().major;
    *minor = state().minor;
    return SUCCESS;
}

API cuDeviceGetPCIBusId(char *id, int room, CUdevice ordinal)
{
    ENTER_DEVICE
    snprintf(id, room, "0000:%02X:00.0", ordinal + 1);
    return SUCCESS;
}

API cuDeviceGetByPCIBusId(CUdevice *handle, const char *id)
{
    ENTER
    int bus;
    if (sscanf(id, "%*x:%x:", &bus) != 1 && sscanf(id, "%x:", &bus) != 1) return INVALID_VALUE;
    if (bus < 1 || bus > (int)state().devices.size()) return INVALID_DEVICE;
    *handle = bus - 1;
    return SUCCESS;
}

API cuDeviceGetUuid_v2(char *uuid, CUdevice ordinal)
{
    ENTER_DEVICE
    memcpy(uuid, "thalweg-stand-in", 16);
    uuid[15] = (char)ordinal;
    return SUCCESS;
}

API cuDeviceGetUuid(char *uuid, CUdevice ordinal) { return cuDeviceGetUuid_v2(uuid, ordinal); }

API cuDeviceCanAccessPeer(int *can, CUdevice ordinal, CUdevice peer)
{
    ENTER_DEVICE
    *can = ordinal != peer;
    return SUCCESS;
}

// Attributes by their numbers; those of an H200 where they say how a kernel may be launched. All others are 0.
API cuDeviceGetAttribute(int *value, int attribute, CUdevice ordinal)
{
    ENTER_DEVICE
    static const std::map<int, int> values = {
        {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},                   // threads per block, sizes of a block
        {5, 2147483647}, {6, 65535}, {7, 65535},                    // sizes of a grid
        {8, 48 << 10}, {9, 64 << 10}, {10, 32}, {11, 2147483647},   // shared and constant memory, warp, pitch
        {12, 65536}, {13, 1980000}, {14, 512}, {15, 1}, {16, 132},  // registers, kHz, texture alignment, overlap, SMs
        {19, 1}, {31, 1}, {32, 1},                                  // mapped host memory, concurrent kernels, ECC
        {36, 3201000}, {37, 6144}, {38, 60 << 20}, {39, 2048},      // memory kHz, bus bits, L2, threads per SM
        {40, 3}, {41, 1}, {78, 1}, {79, 1}, {80, 1},                // copy engines, unified addresses, priorities, L1
        {81, 228 << 10}, {82, 65536}, {87, 2}, {90, 1}, {91, 1},    // shared memory and registers per SM
        {97, 227 << 10}, {106, 32}, {111, 1 << 10},                 // opt-in shared memory, blocks per SM, reserved
    };
    if (attribute < 1 || attribute > 200) return INVALID_VALUE;
    if (attribute == 33) *value = ordinal + 1;
    else if (attribute == 75) *value = state().major;
    else if (attribute == 76) *value = state().minor;
    else {
        auto found = values.find(attribute);
        *value = found == values.end() ? 0 : found->second;
    }
    return SUCCESS;
}

API cuDeviceGetP2PAttribute(int *value, int attribute, CUdevice ordinal, CUdevice)
{
    ENTER_DEVICE
    *value = attribute == 2;                                        // access is supported
    return SUCCESS;
}
