"""One `If` and one `While` as TensorFlow 1.x lays them out; lowering.py writes the nodes in them."""
import numpy as np

from thalweg.framework.dtypes import as_dtype, bool_, float32, int32, int64, resource

from .contexts import Context


def plain(text):
    """An input without the `:0` that says nothing."""
    return text[:-2] if text.endswith(":0") and text.count(":") == 1 else text


def type_list(node, *names):
    """The types in the first of these attributes that a node has."""
    for name in names:
        if name in node.attr:
            return [as_dtype(t) for t in node.attr[name].list.type]
    return []


class Branches:
    """An `If` being written."""

    def __init__(self, lowering, scope, node, plan):
        self.lowering, self.scope, self.node, self.plan = lowering, scope, node, plan
        base = node.name.rpartition("/")[0]
        self.base = base + "/" if base else ""

    def write(self):
        from ...protos import CondContextDef
        low, node, context = self.lowering, self.node, self.scope.context
        pred, *inputs = [self.scope.known[plain(i)] for i in node.input if not i.startswith("^")]
        controls = self.lowering.controls_of(self.scope, node)
        switch = low.add(context, "Switch", low.unique(f"{self.base}Switch"), [pred, pred], controls, 2,
                         T=("type", bool_))
        pivots = [low.add(context, "Identity", low.unique(f"{self.base}switch_{'ft'[side]}"),
                          [f"{switch}:1" if side else switch], T=("type", bool_)) for side in (0, 1)]
        pred_id = low.add(context, "Identity", low.unique(f"{self.base}pred_id"), [pred], controls, T=("type", bool_))
        results: dict = {}
        for side, attr in ((1, "then_branch"), (0, "else_branch")):
            message = CondContextDef(context_name=low.unique(f"{self.base}cond_text"), branch=side,
                                     pred_name=f"{pred_id}:0", pivot_name=f"{pivots[side]}:0")
            branch = Context(context, message, self._switched)
            branch.pivot, branch.side, branch.pred = pivots[side], side, pred_id
            branch.entered[pred_id] = pred_id
            branch.values[f"{pivots[side]}:0"] = None
            function = low.function(node, attr)
            arguments = [_bound(branch, t, a) for t, a in zip(inputs, function.signature.input_arg)]
            low.inline(function, branch, arguments, list(self.plan), self._finish(results, side))

    def _switched(self, branch, tensor, dtype, is_ref):
        """The side of a Switch that leads `tensor` into a branch."""
        low = self.lowering
        name = low.unique(f"{self.base}{tensor.split(':')[0].rpartition('/')[2]}/Switch")
        low.add(branch, "RefSwitch" if is_ref else "Switch", name, [tensor, branch.pred], n_outputs=2,
                T=("type", dtype))
        return f"{name}:1" if branch.side else name

    def _finish(self, results, side):
        def finish(tensors):
            results[side] = tensors
            if len(results) == 2:
                for (index, name), no, yes in zip(self.plan.items(), results[0], results[1]):
                    self.lowering.add(self.scope.context, "Merge", name, [no, yes], n_outputs=2,
                                      T=("type", type_list(self.node, "Tout")[index]), N=("int", 2))
        return finish


def _bound(context, tensor, argument):
    """How a branch or loop gets at an argument: through its context, once something takes it."""
    return lambda: context.inside(tensor, as_dtype(argument.type), argument.is_ref)


class Loop:
    """A `While` being written: frame, variables, and what iterations leave."""

    def __init__(self, lowering, scope, node, plan):
        from ...protos import WhileContextDef
        self.lowering, self.scope, self.node, self.plan = lowering, scope, node, plan
        base = node.name.rpartition("/")[0]
        self.base = base + "/" if base else ""
        self.dtypes = type_list(node, "Tvars", "T")
        self.frame = lowering.unique(f"{self.base}while_context")
        self.parallel_iterations = 1 if lowering.has_effects(node) else 10
        message = WhileContextDef(context_name=self.frame, parallel_iterations=self.parallel_iterations,
                                  back_prop=True)
        if "_back_prop" in node.attr:
            message.back_prop = node.attr["_back_prop"].b
        self.context = Context(scope.context, message, self._entered)
        self.controls = lowering.controls_of(scope, node)
        self.enters, self.merges = [], []

    def write(self):
        low, node = self.lowering, self.node
        inputs = [self.scope.known[plain(i)] for i in node.input if not i.startswith("^")]
        n_vars = len(self.dtypes)
        self._plan_histories(n_vars)
        initial = inputs[:n_vars] + [t for _, t, _ in self.extra]
        self.all_dtypes = self.dtypes + [dtype for _, _, dtype in self.extra]
        for tensor, dtype in zip(initial, self.all_dtypes):
            self.enters.append(self._enter(tensor, dtype, False))
        self.nexts = [low.unique(f"{self.base}NextIteration") for _ in initial]
        for enter, following, dtype in zip(self.enters, self.nexts, self.all_dtypes):
            self.merges.append(low.add(self.context, "Merge", low.unique(f"{self.base}Merge"), [enter, following],
                                       n_outputs=2, T=("type", dtype), N=("int", 2)))
        self.context.pivot = self.merges[0]
        self.body = {}
        cond, body = low.function(node, "cond"), low.function(node, "body")
        arguments = [lambda t=t: t for t in self.merges[:n_vars]] + [
            _bound(self.context, t, a) for t, a in zip(inputs[n_vars:], cond.signature.input_arg[n_vars:])]
        low.inline(cond, self.context, arguments, [0], lambda found: self._write_body(found[0], body, inputs))

    def _write_body(self, pred, body, inputs):
        low, n_vars = self.lowering, len(self.dtypes)
        loop_cond = low.add(self.context, "LoopCond", low.unique(f"{self.base}LoopCond"), [pred])
        switches = [low.add(self.context, "Switch", low.unique(f"{self.base}Switch"), [merge, loop_cond],
                            n_outputs=2, T=("type", dtype)) for merge, dtype in zip(self.merges, self.all_dtypes)]
        inner = [low.add(self.context, "Identity", low.unique(f"{self.base}Identity"), [f"{switch}:1"],
                         T=("type", dtype)) for switch, dtype in zip(switches, self.all_dtypes)]
        message = self.context.message
        message.pivot_name, message.pivot_for_pred_name = f"{loop_cond}:0", f"{self.merges[0]}:0"
        message.pivot_for_body_name = f"{inner[0]}:0"
        message.loop_enter_names.extend(f"{e}:0" for e in self.enters)
        self.context.pivot = inner[0]
        self._write_exits(switches)
        arguments = [lambda t=t: t for t in inner[:n_vars]] + [
            _bound(self.context, t, a) for t, a in zip(inputs[n_vars:], body.signature.input_arg[n_vars:])]
        wanted = [*range(n_vars), *[n_vars + j for j in self.kept]]
        low.inline(body, self.context, arguments, wanted, lambda found: self._close(found, inner))

    def _enter(self, tensor, dtype, is_constant, is_ref=False):
        low = self.lowering
        return low.add(self.context, "RefEnter" if is_ref else "Enter", low.unique(f"{self.base}Enter"), [tensor],
                       self.controls, T=("type", dtype), frame_name=("string", self.frame),
                       is_constant=("bool", is_constant), parallel_iterations=("int", self.parallel_iterations))

    def _entered(self, context, tensor, dtype, is_ref):
        return self._enter(tensor, dtype, True, is_ref)

    # --- what iterations leave ---------------------------------------------------------------------------

    def _plan_histories(self, n_vars):
        """Further variables of the loop: a counter, and for each stack that is taken the flow of its TensorArray.

        Attributes
        ----------
        kept : list of int              numbers of the histories of which values or shapes are taken
        extra : list of (str, tensor, DType)        the variables: what for, first value
        arrays : dict                   ("history" or "history_shape", number) -> (handle, dtype)
        """
        kinds = type_list(self.node, "Thistory")
        first = n_vars + 1
        wanted = [("history" if k - first < len(kinds) else "history_shape", (k - first) % len(kinds), k)
                  for k in self.plan if k >= first]
        self.kept = sorted({j for _, j, _ in wanted})
        self.arrays, self.extra, self.outputs = {}, [], {}
        if not any(k >= n_vars for k in self.plan):
            return
        low, context = self.lowering, self.scope.context
        self.extra.append(("count", low.constant(context, 0, int32, f"{self.base}count/start"), int32))
        for kind, j, k in wanted:
            dtype = kinds[j] if kind == "history" else int64
            size = low.constant(context, 0, int32, f"{self.base}{kind}/size")
            handle = low.add(context, "TensorArrayV3", low.unique(f"{self.base}{kind}/TensorArray"), [size],
                             n_outputs=2, dtype=("type", dtype), element_shape=("shape", self._element_shape(k)),
                             dynamic_size=("bool", True), clear_after_read=("bool", False),
                             identical_element_shapes=("bool", False), tensor_array_name=("string", ""))
            self.arrays[kind, j] = handle, dtype, k
            self.extra.append(((kind, j), f"{handle}:1", float32))

    def _element_shape(self, k):
        """The shape of the rows of output k, where the message says it."""
        from thalweg.framework.shapes import plain
        shown = self.node.attr["_output_shapes"].list.shape if "_output_shapes" in self.node.attr else ()
        if k >= len(shown) or shown[k].unknown_rank:
            return None
        return plain([None if d.size < 0 else d.size for d in shown[k].dim][1:])

    def _write_exits(self, switches):
        """The Exits, and after them the stacks and the count."""
        low, n_vars = self.lowering, len(self.dtypes)
        exits = []
        for i, (switch, dtype) in enumerate(zip(switches, self.all_dtypes)):
            name = self.plan[i] if i < n_vars else low.unique(f"{self.base}Exit")
            exits.append(low.add(self.context, "Exit", name, [switch], T=("type", dtype)))
        self.context.message.loop_exit_names.extend(f"{e}:0" for e in exits)
        for (what, _, _), exit_ in zip(self.extra, exits[n_vars:]):
            if what != "count":
                self._write_stack(*self.arrays[what], exit_)
            elif n_vars in self.plan:
                low.add(self.scope.context, "Cast", self.plan[n_vars], [exit_], SrcT=("type", int32),
                        DstT=("type", int64), Truncate=("bool", False))

    def _write_stack(self, handle, dtype, k, flow):
        """The stack of what a TensorArray holds.

        TensorFlow stacks no rows only where it knows their shape: otherwise a row more is written behind the others,
        taken where there is no other, and cut off.
        """
        low, context, name, shape = self.lowering, self.scope.context, self.plan[k], self._element_shape(k)
        size = low.add(context, "TensorArraySizeV3", low.unique(f"{name}/size"), [handle, flow])
        start, one = (low.constant(context, v, int32, f"{name}/range/{w}") for v, w in ((0, "start"), (1, "delta")))
        is_open = shape is not None and None in shape and dtype.np is not None and dtype.kind in "fciub"
        count = size
        if is_open:
            row = low.constant(context, np.zeros([d or 0 for d in shape], dtype.np), dtype, f"{name}/no_row")
            flow = low.add(context, "TensorArrayWriteV3", low.unique(f"{name}/TensorArrayWriteV3"),
                           [handle, size, row, flow], T=("type", dtype))
            count = low.add(context, "Maximum", low.unique(f"{name}/Maximum"), [size, one], T=("type", int32))
        rows = low.add(context, "Range", low.unique(f"{name}/range"), [start, count, one], Tidx=("type", int32))
        stack = low.unique(f"{name}/TensorArrayGatherV3") if is_open else name
        low.add(context, "TensorArrayGatherV3", stack, [handle, rows, flow], dtype=("type", dtype),
                element_shape=("shape", shape))
        if is_open:
            axis = low.constant(context, [0], int32, f"{name}/begin")
            ones = low.constant(context, [1], int32, f"{name}/strides")
            end = low.add(context, "Pack", low.unique(f"{name}/end"), [size], T=("type", int32), N=("int", 1),
                          axis=("int", 0))
            low.add(context, "StridedSlice", name, [stack, axis, end, ones], T=("type", dtype), Index=("type", int32),
                    begin_mask=("int", 0), end_mask=("int", 0), ellipsis_mask=("int", 0), new_axis_mask=("int", 0),
                    shrink_axis_mask=("int", 0))

    def _close(self, results, inner):
        """The NextIterations."""
        low, n_vars = self.lowering, len(self.dtypes)
        following = list(results[:n_vars])
        values = dict(zip(self.kept, results[n_vars:]))
        for (what, _, _), current in zip(self.extra, inner[n_vars:]):
            if what == "count":
                index = current
                one = low.constant(self.context, 1, int32, f"{self.base}count/one")
                following.append(low.add(self.context, "Add", low.unique(f"{self.base}count/Add"), [current, one],
                                         T=("type", int32)))
            else:
                following.append(self._write_row(what, values[what[1]], index, current))
        for tensor, name, dtype in zip(following, self.nexts, self.all_dtypes):
            low.add(self.context, "NextIteration", name, [tensor], T=("type", dtype))

    def _write_row(self, what, value, index, flow):
        low = self.lowering
        handle, dtype, _ = self.arrays[what]
        if what[0] == "history_shape":
            source = type_list(self.node, "Thistory")[what[1]]
            value = low.add(self.context, "Shape", low.unique(f"{self.base}history_shape/Shape"), [value],
                            T=("type", source), out_type=("type", int64))
        inside = self.context.inside(handle, resource)
        return low.add(self.context, "TensorArrayWriteV3", low.unique(f"{self.base}{what[0]}/TensorArrayWriteV3"),
                       [inside, index, value, flow], T=("type", dtype))
