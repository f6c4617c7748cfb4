"""The devices of one session and the rules by which nodes come to them: requests, defaults, fallbacks, kernels.

The passes of a plan (plan/place.py) ask a Placement and know no device themselves.
"""
import logging
from types import SimpleNamespace

from thalweg import devices
from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.device_spec import DeviceSpec
from thalweg.framework.dtypes import float32
from thalweg.framework.errors import explain, size_text
from thalweg.framework.naming import user_frame

from .limits import Limits

_log = logging.getLogger("thalweg")
_reported: set = set()                   # requests, and (op type, device)


class Placement:
    """The devices of one session, and the rules by which nodes come to them.

    Attributes
    ----------
    host : Device           where feeds, fetches, and steps in Python have their memory
    is_soft : bool          allow_soft_placement
    sends_bfloat16 : bool   float32 values travel between devices as bfloat16
    variable_homes : dict   name of a variable's storage -> name of the device that it lies on, for all plans

    Raises ValueError for a convolution algorithm that does not exist.
    """

    def __init__(self, config):
        self.is_soft = config.allow_soft_placement
        self.sends_bfloat16 = config.graph_options.enable_bfloat16_sendrecv
        self.threads = config.intra_op_parallelism_threads
        devices.follow_processors()
        self._limits = Limits(config.device_count)
        self.host = devices.host_device(self._limits)
        self._by_name, self._config = {}, config
        self._use(self.host)
        self._fuses, self._remembered = {}, {}
        self.variable_homes = {}
        self._kernel_options = _kernel_options(config)

    def by_name(self, name):
        """An open Device by its full name."""
        return self._by_name[name]

    def devices(self):
        """The devices that this session's plans have come to so far."""
        return list(self._by_name.values())

    def device_of(self, node):
        """The Device that a placed node runs on."""
        return self._by_name[node.device]

    def list_devices(self):
        """The devices that are ready, as rows of name, type and memory limit."""
        return devices.REGISTRY.list_devices(self._limits)

    def resolve(self, request, node):
        """The Device for a device string; the host where nothing is asked for, or nothing better is there."""
        spec = DeviceSpec.from_string(request)
        if spec.device_type is None and spec.device_index is None:
            return self._use(devices.default_device(self._limits))
        device, reason = devices.find_device(spec.device_type, spec.device_index or 0, self._limits)
        if device is not None:
            try:
                return self._use(device)
            except errors.NotFoundError as error:        # the session's options leave it out
                reason = str(error)
        if not self.is_soft:
            raise errors.InvalidArgumentError(None, node.source, explain(
                f"Cannot assign a device for operation {node.name!r} (op {node.op_type}): it was explicitly "
                f"assigned to {request}, but {reason}",
                available=", ".join(d.name for family in devices.REGISTRY.families() for d in family
                                    if d.ordinal < self._limits.of(d.plugin)[0]),
                hint="ConfigProto(allow_soft_placement=True), or another tf.device(...)",
                built_at=node.source and node.source.frame))
        _report(request, reason, node, self.host)
        return self.host

    def _use(self, device):
        """The same device, which has heard the session's options before its first use."""
        if self._by_name.get(device.name) is not device:
            _configure(device, self._config)
            self._by_name[device.name] = device
        return device

    def fuses(self, name, op_type, dtype, part=None):
        """Whether a device takes the plan's fused op type, a `_Region` with op `part` in it.

        Asked once, with a small example.
        """
        key = name, op_type, dtype, part
        if key not in self._fuses:
            example = _region_example(part, dtype) if op_type == "_Region" else _example(op_type, dtype)
            self._fuses[key] = devices.find_kernel(self._by_name[name], example) is not None
        return self._fuses[key]

    def gains(self, name, dtype):
        """Whether a device says that it computes faster in `dtype` than in float32."""
        return dtype.name in self._by_name[name].describe().get("compute_types", ())

    def remembered(self, question, ask):
        """The answer to a question about kernels, asked once: `ask()`."""
        if question not in self._remembered:
            self._remembered[question] = ask()
        return self._remembered[question]

    def find_kernel(self, device, request):
        """The Kernel of a device for a request, None where it has none (`request.refusal` says why)."""
        return devices.find_kernel(device, request)

    def find_cast(self, device, shape, source, target):
        """`(declaration, attrs, kernel)` of a Cast that cuts what the dtype `target` has no room for."""
        declaration, attrs = REGISTRY["Cast"], {"SrcT": source, "DstT": target, "Truncate": True}
        ends = [SimpleNamespace(shape=shape, dtype=dtype) for dtype in (source, target)]
        request = self.request("Cast", attrs, ends[:1], ends[1:], {}, declaration, "between devices")
        kernel = self.find_kernel(device, request)
        if kernel is None and (device.name, "Cast") not in _reported:
            _reported.add((device.name, "Cast"))
            _log.info("float32 values travel whole to and from %s: %s", device.name, request.refusal)
        return declaration, attrs, kernel

    def request(self, op_type, attrs, inputs, outputs, constants, declaration, name):
        """What a device is asked about a node: inputs and outputs have `shape` and `dtype`."""
        attrs = kernel_attrs({**attrs, **self._kernel_options})
        return devices.KernelRequest(op_type, attrs, [v.shape for v in inputs],
                                     [v.shape for v in outputs], [v.dtype.as_datatype_enum for v in inputs],
                                     [v.dtype.as_datatype_enum for v in outputs], values=constants,
                                     declaration=declaration, name=name)

    def fallback(self, device):
        """The Device that takes over what `device` has no kernel for; None after the host."""
        if device is self.host:
            return None
        other, _ = devices.find_device(device.fallback, 0, self._limits) if device.fallback else (None, "")
        return self.host if other is None else self._use(other)

    def tell_fallback(self, op_type, wanted, count, copied_bytes, refusal):
        """Says once per process which ops of a type run elsewhere than asked for, and what that costs."""
        if (op_type, wanted) not in _reported:
            _reported.add((op_type, wanted))
            _log.info("%d op%s of type %s ran elsewhere than on %s (%s): %s copied per run", count,
                      "" if count == 1 else "s", op_type, wanted, refusal or "such steps run in Python",
                      size_text(copied_bytes))


_ALGORITHMS = ("auto", "exact", "2x2", "4x4")


def _kernel_options(config):
    """What kernels can read of a session's options, besides the op's own attributes."""
    algorithm = config.convolution_algorithm
    if algorithm not in _ALGORITHMS:
        raise ValueError(explain("ConfigProto: no such convolution algorithm", got=repr(algorithm),
                                 expected=" or ".join(map(repr, _ALGORITHMS)), built_at=user_frame()))
    options = {} if algorithm == "auto" else {"convolution:algorithm": algorithm}
    return {**options, "allow_tf32": True} if config.allow_tf32 else options


def _configure(device, config):
    """Hands those options to a device that its plugin names and that the session sets; says what comes too late."""
    experimental = config.gpu_options.experimental
    wishes = {**config.set_fields(), **config.gpu_options.set_fields(),
              **(experimental if isinstance(experimental, dict) else {})}
    late = device.configure({name: wishes[name] for name in device.plugin.options if name in wishes})
    for name, (wish, value) in late.items():
        _log.warning("%s was configured by the first session that used it: %s=%r is ignored, it is %r", device.name,
                     name, wish, value)


def _report(request, reason, node, host):
    """Says once per process that a device is not there and what runs instead of what was asked for."""
    if request not in _reported:
        _reported.add(request)
        _log.warning("there is no device %s (%s): operation %r and the others that ask for it run on %s; ConfigProto("
                     "allow_soft_placement=False) makes this an error", request, reason, node.name, host.name)


def _example(op_type, dtype):
    """A small request of a fused op type: what the fuse pass makes, in little."""
    x, c = (1, 4, 4, 8), (8,)
    shapes_in, shapes_out, attrs = {
        "_FusedBatchNormEx": ((x, c, c), (x, *[c] * 4, (), c, c),
                              {"fused_ops": ["Relu"], "num_args": 0, "U": float32}),
        "_FusedBatchNormInference": ((x, c, c, c, c), (x,), {"fused_ops": ["Relu"], "num_args": 0, "U": float32}),
        "_FusedBatchNormGradEx": ((x, x, c, c, c, x), (x, c, c),
                                  {"num_addends": 1, "num_features": 1, "num_sides": 0, "activation": "Relu",
                                   "U": float32, "F": dtype}),
        "_FusedBiasAddGrad": ((x, x), (x, c), {"activation": "Relu"}),
        "_FusedMatMul": (((2, 3), (3, 4), (4,)), ((2, 4),), {"transpose_a": False, "transpose_b": False,
                                                             "fused_ops": ["BiasAdd", "Relu"], "num_args": 1}),
        "_FusedDepthwiseConv2dNative": (((1, 4, 4, 8), (3, 3, 8, 1), (8,)), ((1, 4, 4, 8),),
                                        {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC",
                                         "dilations": [1, 1, 1, 1], "fused_ops": ["BiasAdd", "Relu"], "num_args": 1}),
        "_FusedSeparableConv2D": (((1, 4, 4, 8), (3, 3, 8, 1), (1, 1, 8, 4), (8,), (4,)), ((1, 4, 4, 4),),
                                  {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC",
                                   "dilations": [1, 1, 1, 1], "depthwise_ops": ["BiasAdd", "Relu"],
                                   "depthwise_epsilon": 0.0, "fused_ops": ["BiasAdd", "Relu"], "epsilon": 0.0,
                                   "num_args": 2}),
        "_FusedConv2D": (((1, 4, 4, 3), (3, 3, 3, 8), (8,)), ((1, 4, 4, 8),),
                         {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1],
                          "explicit_paddings": [], "fused_ops": ["BiasAdd", "Relu"], "num_args": 1})}[op_type]
    return _request(op_type, dtype, shapes_in, shapes_out, attrs)


def _region_example(part, dtype):
    """A region of one op."""
    count = len(REGISTRY[part].inputs)
    args = [*range(count), *[-1] * (3 - count)]
    return _request("_Region", dtype, [(8,)] * count, [(8,)], {"ops": [part], "args": args, "alphas": [0.0],
                                                               "results": [0], "N": count, "n_results": 1})


def _request(op_type, dtype, shapes_in, shapes_out, attrs):
    def dtypes(shapes):                          # statistics, the vectors of a normalisation, have a type of their own
        return [attrs.get("U", dtype).as_datatype_enum if len(s) < 2 else dtype.as_datatype_enum for s in shapes]
    return devices.KernelRequest(op_type, kernel_attrs({**attrs, "T": dtype}), list(shapes_in), list(shapes_out),
                                 dtypes(shapes_in), dtypes(shapes_out), declaration=REGISTRY[op_type], name=op_type)


def kernel_attrs(attrs):
    """Attributes as kernels read them: lists of names and of floats become texts with commas."""
    return {name: ",".join(map(str, value)) if type(value) is list and value and type(value[0]) in (str, float)
            else value for name, value in attrs.items()}
