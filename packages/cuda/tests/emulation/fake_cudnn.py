"""cuDNN's backend functions as far as they are used, computed by NumPy on memory of the host."""
import ctypes
import itertools

import ml_dtypes
import numpy as np

from thalweg_cuda.libraries.cudnn_names import CONSTANTS, FUNCTIONS, constant

_DTYPES = {0: np.dtype(np.float32), 1: np.dtype(np.float64), 2: np.dtype(np.float16), 9: np.dtype(ml_dtypes.bfloat16)}
_KINDS = {value: name[14:-11] for name, value in CONSTANTS.items() if name.startswith("CUDNN_BACKEND_")}
_NOT_SUPPORTED = 3000
# engines that the heuristics offer: numerical notes and workspace
ENGINES = [({"TENSOR_CORE"}, 1 << 40), ({"TENSOR_CORE"}, 512), ({"NONDETERMINISTIC"}, 0), (set(), 256), (set(), 0)]


class FakeCudnn:
    """In place of the ctypes.CDLL; `refuses` makes the heuristics know nothing, `executed` lists directions.

    `enqueue(stream, function)` has a function called when the stream is so far; by default that is now.
    """

    _name = "fake libcudnn"

    def __init__(self, refuses=False, enqueue=None):
        self._enqueue, self.stream = enqueue or (lambda stream, function: function()), None
        self.refuses, self.executed, self._objects, self._next = refuses, [], {}, itertools.count(1)
        for name in FUNCTIONS:
            method = getattr(self, f"_{name[5:]}")
            setattr(self, name, lambda *args, method=method: method(*args))      # its types can be set

    def _GetVersion(self):
        return 92801

    def _GetErrorString(self, status):
        return b"CUDNN_STATUS_NOT_SUPPORTED"

    def _GetLastErrorString(self, text, size):
        text.value = b"no such engine"

    def _Create(self, handle):
        handle._obj.value = next(self._next)
        return 0

    def _Destroy(self, handle):
        return 0

    def _SetStream(self, handle, stream):
        self.stream = stream
        return 0

    def _BackendCreateDescriptor(self, kind, handle):
        handle._obj.value = next(self._next)
        self._objects[handle._obj.value] = {"kind": _KINDS[kind]}
        return 0

    def _BackendDestroyDescriptor(self, handle):
        del self._objects[handle.value]
        return 0

    def _BackendSetAttribute(self, handle, name, attribute_type, count, array):
        assert len(array) == count
        self._objects[handle.value][name] = list(array)
        return 0

    def _BackendFinalize(self, handle):
        about = self._objects[handle.value]
        if about["kind"] == "ENGINEHEUR" and self.refuses:
            return _NOT_SUPPORTED
        return 0

    def _BackendGetAttribute(self, handle, name, attribute_type, most, count, array):
        about, values = self._objects[handle.value], []
        if name == constant("ATTR_ENGINEHEUR_RESULTS"):
            for i, config in enumerate(list(array)[:len(ENGINES)]):
                self._objects[config].update(engine=i, graph=about[constant("ATTR_ENGINEHEUR_OPERATION_GRAPH")][0])
            count._obj.value = len(ENGINES)
            return 0
        if name == constant("ATTR_ENGINECFG_ENGINE"):
            self._objects[array[0]]["engine"] = about["engine"]
            count._obj.value = 1
            return 0
        if name == constant("ATTR_ENGINE_NUMERICAL_NOTE"):
            values = [constant(f"NUMERICAL_NOTE_{note}") for note in ENGINES[about["engine"]][0]]
        elif name == constant("ATTR_EXECUTION_PLAN_WORKSPACE_SIZE"):
            config = self._objects[about[constant("ATTR_EXECUTION_PLAN_ENGINE_CONFIG")][0]]
            values = [ENGINES[config["engine"]][1]]
        array[:len(values)] = values
        count._obj.value = len(values)
        return 0

    def _BackendExecute(self, handle, plan, pack):
        config = self._objects[self._objects[plan.value][constant("ATTR_EXECUTION_PLAN_ENGINE_CONFIG")][0]]
        graph, about = self._objects[config["graph"]], self._objects[pack.value]
        operation = self._objects[graph[constant("ATTR_OPERATIONGRAPH_OPS")][0]]
        places = dict(zip(about[constant("ATTR_VARIANT_PACK_UNIQUE_IDS")],
                          about[constant("ATTR_VARIANT_PACK_DATA_POINTERS")]))
        workspace, = about[constant("ATTR_VARIANT_PACK_WORKSPACE")]
        assert (workspace or 0) % 256 == 0
        direction = operation["kind"].split("_")[-1]
        self.executed.append(direction)
        numbers = {"FORWARD": (702, 704, 703, 705), "DATA": (708, 710, 709, 711), "FILTER": (714, 716, 715, 717)}
        window, *tensors = [self._objects[operation[k][0]] for k in numbers[direction]]
        addresses = [places[t[constant("ATTR_TENSOR_UNIQUE_ID")][0]] for t in tensors]
        assert not any(a % t[constant("ATTR_TENSOR_BYTE_ALIGNMENT")][0] for a, t in zip(addresses, tensors))
        x, w, y = map(_memory, tensors, addresses)
        self._enqueue(self.stream, lambda: _convolve(direction, window, x, w, y))
        return 0


def _memory(tensor, address):
    """The array that a tensor descriptor tells of, over memory of the host."""
    dtype = _DTYPES[tensor[constant("ATTR_TENSOR_DATA_TYPE")][0]]
    shape, steps = (tensor[constant(f"ATTR_TENSOR_{name}")] for name in ("DIMENSIONS", "STRIDES"))
    last = sum((n - 1) * s for n, s in zip(shape, steps)) + 1
    buffer = (ctypes.c_char * (last * dtype.itemsize)).from_address(address)
    return np.ndarray(shape, dtype, buffer, 0, [s * dtype.itemsize for s in steps])


def _convolve(direction, window, x, w, y):
    """x [N, C, ...], w [F, C / groups, ...], y [N, F, ...]; fills the one that is the result."""
    stride, dilation, before, after = (window[constant(f"ATTR_CONVOLUTION_{name}")] for name in (
        "FILTER_STRIDES", "DILATIONS", "PRE_PADDINGS", "POST_PADDINGS"))
    groups, per_group, count = x.shape[1] // w.shape[1], w.shape[1], w.shape[0] // (x.shape[1] // w.shape[1])
    pads = [(0, 0), (0, 0), *zip(before, after)]
    wide_x, wide_w, wide_y = (np.zeros(t.shape) if name == direction else t.astype(np.float64)
                              for name, t in (("DATA", x), ("FILTER", w), ("FORWARD", y)))
    wide_x = np.pad(wide_x, pads)
    result = np.zeros({"FORWARD": y.shape, "DATA": wide_x.shape, "FILTER": w.shape}[direction])
    for tap in itertools.product(*map(range, w.shape[2:])):
        places = tuple(np.s_[t * d:t * d + (n - 1) * s + 1:s]
                       for t, d, n, s in zip(tap, dilation, y.shape[2:], stride))
        for g in range(groups):
            c, f = np.s_[g * per_group:(g + 1) * per_group], np.s_[g * count:(g + 1) * count]
            at_x, at_w = (np.s_[:], c, *places), (f, np.s_[:], *tap)
            here = wide_x[at_x].reshape(*wide_x[at_x].shape[:2], -1)                    # [N, C, places]
            dy = wide_y[:, f].reshape(*wide_y[:, f].shape[:2], -1)                      # [N, F, places]
            if direction == "FORWARD":
                result[:, f] += np.einsum("ncp,fc->nfp", here, wide_w[at_w]).reshape(result[:, f].shape)
            elif direction == "DATA":
                result[at_x] += np.einsum("nfp,fc->ncp", dy, wide_w[at_w]).reshape(result[at_x].shape)
            else:
                result[at_w] += np.einsum("nfp,ncp->fc", dy, here)
    if direction == "DATA":
        x[...] = result[(np.s_[:], np.s_[:], *(np.s_[b:b + n] for b, n in zip(before, x.shape[2:])))]
    else:
        (y if direction == "FORWARD" else w)[...] = result
