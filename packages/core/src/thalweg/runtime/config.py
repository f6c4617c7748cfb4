"""What a session can be told: ConfigProto, GPUOptions, GraphOptions, RunOptions, RunMetadata.

The fields are TensorFlow 1.x's; those that have no meaning here are kept, so that programs run, and ignored.
"""
import copy
from typing import NamedTuple


class _Options:
    """A record with fixed fields, in the manner of a protocol message: set by keyword or by attribute."""

    _FIELDS: dict = {}

    def __init__(self, **values):
        for name, default in self._FIELDS.items():
            value = values.pop(name, None)
            object.__setattr__(self, name, copy.copy(default() if callable(default) else default)
                               if value is None else value)
        if values:
            raise ValueError(f"{type(self).__name__} has no field {', '.join(map(repr, values))}; it has "
                             f"{', '.join(self._FIELDS)}")

    def __setattr__(self, name, value):
        if name not in self._FIELDS:
            raise AttributeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(self._FIELDS)}")
        object.__setattr__(self, name, value)

    def CopyFrom(self, other):
        """Takes over all fields of `other`."""
        for name in self._FIELDS:
            setattr(self, name, copy.deepcopy(getattr(other, name)))

    MergeFrom = CopyFrom

    def set_fields(self):
        """The plain fields that are not as they are by default, as a dict."""
        plain = {name: value for name, value in self._FIELDS.items() if isinstance(value, (bool, int, float, str))}
        return {name: getattr(self, name) for name, default in plain.items() if getattr(self, name) != default}

    def __eq__(self, other):
        return type(self) is type(other) and all(getattr(self, f) == getattr(other, f) for f in self._FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in self._FIELDS)})"


class GPUOptions(_Options):
    """Options of accelerators, as `tf.GPUOptions`: handed to devices that name them (docs/devices.md, section 2).

    experimental : dict     names and values that only a certain device knows
    """

    _FIELDS = {"per_process_gpu_memory_fraction": 0.0, "allow_growth": False, "allocator_type": "",
               "deferred_deletion_bytes": 0, "visible_device_list": "", "polling_active_delay_usecs": 0,
               "polling_inactive_delay_msecs": 0, "force_gpu_compatible": False, "experimental": None}


class OptimizerOptions(_Options):
    """Which plan passes run: `opt_level` L0 (-1) switches simplification and fusion off."""

    L0, L1 = -1, 0
    OFF, DEFAULT, ON_1, ON_2 = -1, 0, 1, 2
    _FIELDS = {"do_common_subexpression_elimination": False, "do_constant_folding": False,
               "max_folded_constant_in_bytes": 0, "do_function_inlining": False, "opt_level": 0,
               "global_jit_level": 0}


class RewriterConfig(_Options):
    """Which rewrites TensorFlow's grappler does, as its message `RewriterConfig`; here `auto_mixed_precision` counts.

    auto_mixed_precision : int      ON: devices that gain by it compute in float16 (runtime/precision.py)
    """

    DEFAULT, ON, OFF, AGGRESSIVE = range(4)
    DEFAULT_NUM_ITERS, ONE, TWO = range(3)
    DEFAULT_MEM_OPT, NO_MEM_OPT, MANUAL, HEURISTICS = range(4)
    SWAPPING_HEURISTICS, RECOMPUTATION_HEURISTICS, SCHEDULING_HEURISTICS = 4, 5, 6
    _FIELDS = {**dict.fromkeys((
        "layout_optimizer", "constant_folding", "shape_optimization", "remapping", "arithmetic_optimization",
        "dependency_optimization", "loop_optimization", "function_optimization", "debug_stripper",
        "scoped_allocator_optimization", "pin_to_host_optimization", "implementation_selector", "auto_mixed_precision",
        "meta_optimizer_iterations", "min_graph_nodes", "memory_optimization", "meta_optimizer_timeout_ms"), 0),
        "disable_model_pruning": False, "disable_meta_optimizer": False, "fail_on_optimizer_errors": False,
        "memory_optimizer_target_node_name_scope": "",
        "auto_parallel": None, "scoped_allocator_opts": None, "optimizers": list, "custom_optimizers": list,
        "inter_optimizer_verifier_config": None, "post_optimization_verifier_config": None}


class GraphOptions(_Options):
    """As `tf.GraphOptions`.

    enable_bfloat16_sendrecv : bool     float32 values that go from one device to another travel as bfloat16: half the
                                        bytes, and of 24 bits of the mantissa 8 are left; feeds and fetches stay whole
    """

    _FIELDS = {"enable_recv_scheduling": False, "optimizer_options": OptimizerOptions, "build_cost_model": 0,
               "build_cost_model_after": 0, "infer_shapes": False, "place_pruned_graph": False,
               "enable_bfloat16_sendrecv": False, "timeline_step": 0, "rewrite_options": RewriterConfig}


class ConfigProto(_Options):
    """Configuration of a session, as `tf.ConfigProto`.

    allow_soft_placement : bool       True here (TensorFlow 1.x: False): ops without a kernel on the requested device
                                      run on the fallback device
    intra_op_parallelism_threads : int    threads that share one op's work; 0: as many as the process may use
    inter_op_parallelism_threads : int    has no effect: the steps of a run follow one another, threads share each
    operation_timeout_in_ms : int     longest time of a run, 0: no limit; then, between two steps, it ends with
                                      DeadlineExceededError, and the session stays usable
    device_count : dict               most devices of a type, {"CPU": 1}
    log_device_placement : bool       prints where each op of a plan runs
    convolution_algorithm : str       thalweg's own: "auto", the quickest by estimate; "exact", direct sums; "2x2" or
                                      "4x4", Winograd tiles of so many places wherever they can be. Tiles of a batch of
                                      well-scaled images err as direct sums do; within a tile a pixel that is not
                                      finite, or larger than the others by many orders, reaches every place
    compute_type : str or DType       thalweg's own: "float16" or "bfloat16" is what products and most of what lies
                                      between them are computed in, on every device that has the kernels; variables,
                                      losses and sums stay float32. "float32", or nothing: what the graph says
    allow_tf32 : bool                 thalweg's own: devices may round the factors of float32 products to the 10 bits
                                      of TF32; False: float32 is float32. The CPU has no such arithmetic
    """

    _FIELDS = {"device_count": dict, "intra_op_parallelism_threads": 0, "inter_op_parallelism_threads": 0,
               "use_per_session_threads": False, "session_inter_op_thread_pool": list, "placement_period": 0,
               "device_filters": list, "gpu_options": GPUOptions, "allow_soft_placement": True,
               "log_device_placement": False, "graph_options": GraphOptions, "operation_timeout_in_ms": 0,
               "rpc_options": None, "cluster_def": None, "isolate_session_state": False, "experimental": None,
               "convolution_algorithm": "auto", "compute_type": "", "allow_tf32": False}


class RunOptions(_Options):
    """Options of one run, as `tf.RunOptions`; FULL_TRACE fills RunMetadata.step_stats.

    timeout_in_ms : int     longest time of this run, in the place of ConfigProto.operation_timeout_in_ms; 0: that one
    """

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = range(4)
    _FIELDS = {"trace_level": 0, "timeout_in_ms": 0, "inter_op_thread_pool": 0, "output_partition_graphs": False,
               "debug_options": None, "report_tensor_allocations_upon_oom": False, "experimental": None}


class SegmentStats(NamedTuple):
    """How a run ran steps that stand together on a device that can record.

    Attributes
    ----------
    device : str
    steps : int
    first, last : str   names of the first op and of the last
    mode : str          "eager": one by one; "recorded", in this run; or "replayed"
    cut : str           why no more steps belong to it
    refusal : str       why it is never recorded; empty: it may be
    """

    device: str
    steps: int
    first: str
    last: str
    mode: str
    cut: str
    refusal: str


class RunMetadata(_Options):
    """What a run reports, as `tf.RunMetadata`.

    step_stats : list of (name, op type, device, start ns, duration ns), when traced
    fallbacks : dict    (op type, requested device) -> count of ops that ran elsewhere
    fallback_bytes : dict    the same -> bytes that the run copied only because they did
    segments : list of SegmentStats     thalweg's own: what devices record and replay (docs/devices.md, section 4)
    """

    _FIELDS = {"step_stats": list, "cost_graph": None, "partition_graphs": list, "fallbacks": dict,
               "fallback_bytes": dict, "segments": list}
