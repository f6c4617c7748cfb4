"""From a placeholder to a kernel and back: what happens to a small program, each stage printed.

    python docs/walkthrough.py

The program is one layer with its gradient. The stages are the rooms of packages/core/src/thalweg, in the order in
which data flow through them: framework, ops, autodiff, plan, devices, runtime.
"""
import numpy as np

import thalweg as tf
from thalweg import devices
from thalweg.devices.placement import Placement
from thalweg.framework import shapes
from thalweg.plan import bind, copies, effects, fuse, memory, order, place, prune, simplify
from thalweg.plan import shapes as plan_shapes
from thalweg.plan.place import settle


def heading(text):
    print(f"\n=== {text} " + "=" * max(0, 100 - len(text)))


def show_nodes(ir):
    """One line per node: op type, name, shapes, what it takes."""
    for node in ir.nodes:
        made = ", ".join(f"{v.dtype.name}{shapes.text(v.shape)}" for v in node.outputs)
        taken = ", ".join(v.node.name for v in node.inputs)
        print(f"  {node.op_type:16} {node.name[-44:]:44} {made:28} <- {taken[-60:]}")


# --- 1. framework: a graph is built, nothing is computed ---------------------------------------------------

heading("1. the program adds nodes to a graph (framework/graph.py)")
x = tf.placeholder(tf.float32, [None, 4], name="x")
w = tf.Variable(np.linspace(-1, 1, 12).reshape(4, 3), dtype=tf.float32, name="w")
b = tf.Variable(tf.zeros([3]), name="b")
y = tf.nn.relu(tf.matmul(x, w) + b, name="y")
loss = tf.reduce_mean(tf.square(y), name="loss")
for op in tf.get_default_graph().get_operations():
    print(f"  {op.type:12} {op.name:24} {', '.join(str(t.shape) for t in op.outputs):12} "
          f"<- {', '.join(t.name for t in op.inputs)}")
print(f"each op remembers the line that made it: y was built at {y.op.frame}")

# --- 2. ops: what a node means stands in one place ----------------------------------------------------------

heading("2. an op is declared once (ops/activation.py)")
declaration = y.op.declaration
print(f"  {declaration.name}: {declaration.signature}")
print(f"  reference body of [-1, 2]: {declaration.reference([np.float32([-1, 2])], y.op.attrs)[0]}")
print(f"  gradient: {declaration.gradient_rule.__name__}; CPU kernel: {declaration.kernels['cpu']}")

# --- 3. autodiff: gradients are more nodes -------------------------------------------------------------------

heading("3. gradients are nodes of the same graph (autodiff)")
before = len(tf.get_default_graph().get_operations())
(dw,) = tf.gradients(loss, [w])
made = tf.get_default_graph().get_operations()[before:]
print(f"  tf.gradients made {len(made)} nodes; the gradient of w is {dw}")
update = tf.train.GradientDescentOptimizer(0.1).apply_gradients([(dw, w)])

# --- 4. plan: from a fetch to steps ---------------------------------------------------------------------------

fetches, feeds = (loss, update), (x,)
batch = np.arange(20, dtype=np.float32).reshape(5, 4)

heading("4.1 prune: what the fetches need, cut at the feeds (plan/prune.py)")
ir = prune.prune(fetches, feeds)
effects.resolve_variables(ir)
everything = len(tf.get_default_graph().get_operations())
print(f"  {len(ir.nodes)} of {everything} nodes are needed")

heading("4.2 shapes: rules run with the fed shapes (plan/shapes.py)")
print(f"  static shape of y: {y.shape}; fed: x {batch.shape}")
plan_shapes.infer(ir, [batch.shape], {})

heading("4.3 simplify: constants folded, twins merged, identities dropped (plan/simplify.py)")
count = len(ir.nodes)
simplify.simplify(ir)
print(f"  {count} nodes became {len(ir.nodes)}:")
show_nodes(ir)

heading("4.4 place: a device for every node (plan/place.py, devices/)")
placement = Placement(tf.ConfigProto())
place.place(ir, placement)
print(devices.list_devices())
print(f"  all on: {sorted({n.device for n in ir.nodes})}")

heading("4.5 effects: reads and writes of a variable keep the program's order (plan/effects.py)")
ir.link()
effects.add_fetch_nodes(ir)
effects.order_effects(ir)
for node in ir.nodes:
    if node.controls:
        print(f"  {node.name} waits for {', '.join(c.name for c in node.controls)}")

heading("4.6 fuse: product, bias and activation in one step; elementwise chains in another (plan/fuse.py)")
fuse.fuse(ir, placement.fuses)
show_nodes(ir)

heading("4.7 settle, copy, order: a kernel for every node, transfers, the order of steps (place, copies, order)")
fallbacks = settle(ir, placement)
copies.insert_copies(ir, placement.device_of, placement.host)
order.order(ir, placement.host.name)
for node in ir.nodes:
    if node.kernel is not None:
        print(f"  {node.op_type:16} kernel of {node.kernel.device.name}, workspace "
              f"{node.kernel.workspace_bytes} bytes")
print(f"  nodes that had to move to another device: {fallbacks or 'none'}")

heading("4.8 memory and bind: where each value lies, and the flat list of steps (plan/memory.py, plan/bind.py)")
plan = bind.bind(ir, placement, fallbacks, with_value=None)
kinds = {memory.CONST: "constant", memory.FEEDS: "feed", memory.VARIABLE: "variable", memory.FETCHES: "fetch",
         memory.ARENA: "arena", memory.OBJECT: "object", memory.GIVEN: "given"}
for step in plan.steps:
    places = ", ".join(f"{kinds[v.storage.kind]}" + (
        f"+{v.storage.payload.offset}" if v.storage.kind == memory.ARENA else "") for v in step.outputs)
    name = ("kernel", "python", "check", "mark", "move", "take")[step.kind]
    print(f"  {name:7} {step.node.op_type:16} -> {places}")
print(f"  arena: {plan.arena_bytes}")

# --- 5. runtime: the session does all that, keeps the plan, and runs it -------------------------------------------

heading("5. the session runs the plan (runtime/session.py, runtime/executor.pyx)")
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for step in range(3):
        value, _ = session.run(fetches, {x: batch})
        print(f"  step {step}: loss {value:.5f}")
    metadata = tf.RunMetadata()
    session.run(fetches, {x: batch}, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE),
                run_metadata=metadata)
    for name, op_type, device, _, nanoseconds in metadata.step_stats:
        print(f"  {nanoseconds / 1000:8.2f} us  {op_type:16} {name[-40:]:40} {device}")
