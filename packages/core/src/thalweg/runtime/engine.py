"""What a session owns: variables, generators of random ops, templates and plans; and how a run finds its program."""
import threading
import time

from thalweg.devices.placement import Placement
from thalweg.framework import errors, flags, shapes
from thalweg.framework.random_seed import seeded_state
from thalweg.plan import effects, pipeline
from thalweg.plan.prune import unfed_placeholder
from thalweg.plan.sources import sources
from thalweg.plan.steps import CHECK, MARK, SEGMENT, WAIT

from . import debug, exhausted, messages, python_steps
from .arrays import dense, feed_key
from .config import RunOptions, SegmentStats
from .executor import Program
from .precision import plan_precision
from .shared import Shared
from .variables import RngState, VariableBuffer

MAX_TEMPLATES = 256                      # fetch sets remembered per session
MAX_PROGRAMS = 32                        # fed shapes remembered per fetch set; beyond it, shapes are left open


class Engine:
    """Runs fetches of one graph with one configuration; thread-safe."""

    def __init__(self, graph, config):
        self.graph, self.config = graph, config
        self._precision = plan_precision(config)
        self.placement = None
        self.shared = Shared()
        self.variables, self._rngs = {}, {}
        self._templates, self._runs = {}, 0
        self._lock = threading.RLock()
        self._mutations, self._reshaped = graph._mutations, 0
        self._timeout_in_ms = config.operation_timeout_in_ms
        self._running = threading.local()        # .deadline: of this thread's run, in ns of the monotonic clock
        self._has_deadlines = self._timeout_in_ms > 0        # whether any run has had one
        self.resources = {}                      # name -> what ops keep from run to run; has close()
        self._resources_lock = threading.RLock()

    # --- running -------------------------------------------------------------------------------------

    def run(self, elements, fed, arrays, options=None, metadata=None):
        """Arrays of the values of `elements` (None for operations), with `arrays` in place of the tensors `fed`."""
        self.shared.check_open()
        if options is None and metadata is None and not self._has_deadlines and flags.DEBUG < 4:
            program, arrays = self._program(elements, fed, arrays, None)
            return program.run(arrays)
        if options is not None and options.timeout_in_ms > 0 or self._timeout_in_ms > 0:
            return self._run_until(elements, fed, arrays, options, metadata)
        return self._run(elements, fed, arrays, options, metadata)

    def _run_until(self, elements, fed, arrays, options, metadata):
        """As `_run`, with a deadline; runs inside of it, of branches and loop bodies, have that of the outermost."""
        if getattr(self._running, "deadline", 0):
            return self._run(elements, fed, arrays, options, metadata)
        own = 0 if options is None else options.timeout_in_ms
        timeout_ms = own if own > 0 else self._timeout_in_ms
        self._has_deadlines = True
        self._running.deadline = time.monotonic_ns() + timeout_ms * 1_000_000
        try:
            return self._run(elements, fed, arrays, options, metadata)
        finally:
            self._running.deadline = 0

    def _run(self, elements, fed, arrays, options, metadata):
        is_traced = options is not None and options.trace_level >= RunOptions.SOFTWARE_TRACE
        trace = [] if is_traced or flags.DEBUG >= 4 else None
        program, arrays = self._program(elements, fed, arrays, trace)
        ran = None if metadata is None else ["eager"] * len(program.plan.segments)
        values = program.run(arrays, trace, getattr(self._running, "deadline", 0), ran)
        if flags.DEBUG >= 4:
            debug.tell_run(trace)
        if metadata is not None:
            metadata.fallbacks = dict(program.plan.fallbacks)
            metadata.fallback_bytes = dict(program.plan.fallback_bytes)
            metadata.step_stats = trace or []
            metadata.segments = [_segment_stats(s, mode) for s, mode in zip(program.plan.segments, ran)]
        return values

    def _program(self, elements, fed, arrays, trace):
        """The program for these fetches and feeds, and its arrays: those fed, then those that sources give."""
        if self._reshaped != self.shared.reshaped:
            self._forget_programs()
        values, key = feed_key(arrays)
        entry = self._templates.get((elements, fed, values))
        if entry is None or self._mutations != self.graph._mutations:
            entry = self._entry(elements, fed, values)
        entry.last_use = self._runs = self._runs + 1
        if entry.sources:
            given = [a for op in entry.sources for a in self._taken(op, fed, arrays, trace)]
            arrays, key = [*arrays, *given], (*key, *[a.shape for a in given])
        program = entry.programs.get(key)
        if program is None:
            with self._lock:
                program = entry.programs.get(key) or self._specialise(entry, elements, values, key)
        program.last_use = entry.last_use
        return program, arrays

    def _taken(self, op, fed, arrays, trace):
        """What a source gives for this run, as arrays that can be fed."""
        start = time.monotonic_ns()
        program, arrays = self._program(op.inputs, fed, arrays, None)
        inputs = program.run(arrays, None, getattr(self._running, "deadline", 0))
        try:
            given = op.declaration.reference(inputs, op.attrs, session=self)
        except Exception as error:
            raise errors.of_operation(op, error) from error
        if trace is not None:
            trace.append((op.name, op.type, op.device, start, time.monotonic_ns() - start))
        return [dense(array) for array in given]

    def _forget_programs(self):
        """A variable without a declared shape holds a value of another shape now: plans for the old one are stale."""
        with self._lock:
            self._reshaped = self.shared.reshaped
            for entry in self._templates.values():
                entry.programs.clear()

    def _entry(self, elements, fed, values):
        """A template for one fetch set; `values`, the fed bools, decide branches when the plan is made."""
        with self._lock:
            if self._mutations != self.graph._mutations:
                self._templates.clear()
                self._mutations = self.graph._mutations
            if self.placement is None:
                self.placement = Placement(self.config)
            taken = sources(elements, fed)
            all_fed = (*fed, *[t for op in taken for t in op.outputs])
            template = self._template(elements, all_fed, values)
            missing = unfed_placeholder(template.ir)
            if missing is not None:
                raise messages.unfed_placeholder(*missing, fed)
            entry = self._templates[elements, fed, values] = _Entry(template, all_fed, taken, self._runs)
            entries = list(self._templates.items())
            if len(entries) > MAX_TEMPLATES:
                self._templates.pop(min(entries, key=lambda item: item[1].last_use)[0], None)
            return entry

    def _template(self, elements, fed, values, doubts=False):
        optimize = self.config.graph_options.optimizer_options.opt_level >= 0
        return pipeline.make_template(elements, fed, self.placement, optimize, dict(values), doubts)

    def _specialise(self, entry, elements, values, key):
        """The program for these fed shapes; when they never repeat, one whose steps find their shapes as they run.

        Such steps run on the host: a plan for another device takes the place of the one that was used longest ago.
        Only a function graph can be fed with shapes that the graph does not allow (a loop variable of which set_shape
        has said something wrong, a capture of what a feed has changed): its plans believe no static shape.
        """
        fed = entry.fed
        doubts = not all([shapes.compatible(shape, t._shape) for t, shape in zip(fed, key)])
        shapes_in = key
        if len(entry.programs) >= MAX_PROGRAMS and entry.template.leaves_host:
            entry.programs.pop(min(entry.programs, key=lambda shapes: entry.programs[shapes].last_use))
        elif len(entry.programs) >= MAX_PROGRAMS:
            shapes_in = [None if doubts else t._shape for t in fed]
            key = doubts, *[None] * len(key)
            if key in entry.programs:
                return entry.programs[key]
        template = entry.template
        if doubts:
            template = entry.doubting = entry.doubting or self._template(elements, fed, values, doubts=True)
        program = self._bound(template, shapes_in)
        if not program.plan.given:
            entry.programs[key] = program
        return program

    def _bound(self, template, fed_shapes):
        held = {name: v.shape for name, v in self.variables.items() if v.is_shaped_by_value and v.shape is not None}
        start = time.perf_counter()
        with_value = {name for name, v in self.variables.items() if v.is_initialized}
        plan = pipeline.specialise(template, fed_shapes, held, with_value, self._precision)
        if flags.DEBUG:
            debug.tell_plan(plan, time.perf_counter() - start)
        if self.config.log_device_placement:
            for step in [s for s in plan.steps if s.kind not in (CHECK, MARK, WAIT, SEGMENT)]:
                print(f"{step.node.name}: ({step.node.op_type}): {step.node.device}")
        self._declare_variables(plan)
        return Program(plan, self, self.shared)

    # --- what programs ask for -----------------------------------------------------------------------

    def _declare_variables(self, plan):
        for node in plan.nodes:
            if node.op_type in effects.VARIABLES:
                name = effects.variable_name(node.attrs, node.name)
                if name not in self.variables:
                    device = plan.placement.device_of(node)
                    buffer = _buffer(name, node, device, list(self.variables.values()))
                    self.variables.setdefault(name, buffer)      # function engines share them

    def variable(self, name):
        """The storage of a variable."""
        return self.variables[name]

    def rng(self, node):
        """The generator of a random op, kept from run to run; None for other ops."""
        if not getattr(node.declaration, "is_random", False):
            return None
        key = node.source or node.name           # branches and loop bodies have their own names: a name is not enough
        state = self._rngs.get(key)
        if state is None:
            state = self._rngs[key] = self._new_rng(key, node.attrs)
        return state

    def _new_rng(self, key, attrs):
        return RngState(*seeded_state(attrs["seed"], attrs["seed2"]))

    def python_call(self, step):
        """What a Python step calls: list of arrays -> list of arrays."""
        return python_steps.make_call(self, step)

    def list_devices(self):
        """Rows for `Session.list_devices`."""
        if self.placement is None:
            self.placement = Placement(self.config)
        return self.placement.list_devices()

    # --- what ops ask for that keep something in a session -----------------------------------------------

    def resource(self, name, make):
        """What ops keep under `name` until the session is closed: has `close()`, comes from `make()` at first."""
        with self._resources_lock:
            self.shared.check_open()
            found = self.resources.get(name)
            if found is None:
                found = self.resources[name] = make()
            return found

    def seconds_left(self):
        """What remains until the deadline of this thread's run, >= 0; None where it has none."""
        deadline = getattr(self._running, "deadline", 0)
        return max(deadline - time.monotonic_ns(), 0) / 1e9 if deadline else None

    def close(self):
        """Frees everything; runs under way end with CancelledError."""
        self.shared.close()
        for resource in list(self.resources.values()):
            resource.close()
        self.resources.clear()
        self._templates.clear()
        self.variables.clear()
        self._rngs.clear()


def _buffer(name, node, device, others):
    value, shape = node.outputs[0], shapes.plain(node.attrs["shape"])
    try:
        buffer = VariableBuffer(name, value.dtype, shape, device)
    except (MemoryError, errors.ResourceExhaustedError) as error:
        raise exhausted.value_too_large(value, shapes.size_of(shape) * value.dtype.size, "a variable", error, device,
                                        others) from error
    buffer.frame = node.source.frame if node.source is not None else None
    return buffer


def _segment_stats(segment, mode):
    return SegmentStats(segment.device.name, segment.count, segment.first.name, segment.last.name, mode, segment.cut,
                        segment.refusal)


class _Entry:
    """A template, what is fed to it (by the caller, then by `sources`), and its programs by the shapes of that."""

    __slots__ = ("template", "doubting", "programs", "fed", "sources", "last_use")

    def __init__(self, template, fed, taken, last_use):
        self.template, self.doubting, self.programs = template, None, {}
        self.fed, self.sources, self.last_use = fed, taken, last_use
