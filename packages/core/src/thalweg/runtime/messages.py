"""What a user reads when a run fails: each message names the op, the cause, a remedy, and the user's line."""
from thalweg.devices.core_api import error_of_code
from thalweg.framework import errors
from thalweg.framework.errors import explain
from thalweg.plan.steps import KERNEL


def _frame(node):
    return node.source.frame if node.source is not None else None


def uninitialized_variable(name, node):
    """A variable is read before it has a value."""
    text = explain(f"Attempting to use uninitialized value {name}",
                   needed_by=f"{node.op_type} {node.name!r}",
                   hint="session.run(tf.global_variables_initializer()) after the session is made "
                        "(tf.local_variables_initializer() for local variables), or Saver.restore",
                   built_at=_frame(node))
    return errors.FailedPreconditionError(None, node.source, text)


def unfed_placeholder(node, path, fed):
    """A placeholder is needed, but no value came for it."""
    value = node.outputs[0]
    from thalweg.framework.shapes import text as shape_text
    got = ", ".join(t.name for t in fed) if fed else "no feed"
    text = explain(f"You must feed a value for placeholder tensor '{node.name}' with dtype {value.dtype.name} "
                   f"and shape {shape_text(value.shape)}",
                   needed_by=f"{path[-1].name!r}, by the path {' -> '.join(_shorten([n.name for n in path]))}",
                   fed=got, hint=f"session.run(..., feed_dict={{{node.name.rpartition('/')[2]}: value}})",
                   built_at=_frame(node))
    return errors.InvalidArgumentError(None, node.source, text)


def deadline_exceeded(node, done, count):
    """A run has taken longer than it was given; it ends between two steps."""
    text = explain(f"the run took longer than its timeout: {done} of {count} steps were done before "
                   f"{node.op_type} {node.name!r}",
                   hint="a larger RunOptions.timeout_in_ms, or ConfigProto.operation_timeout_in_ms",
                   built_at=_frame(node))
    return errors.DeadlineExceededError(None, node.source, text)


def _shorten(names):
    return names if len(names) <= 8 else [*names[:4], f"... {len(names) - 7} more ...", *names[-3:]]


def contradicted_shape(value, shape):
    """A value has come whose shape is not what the graph says of it."""
    from thalweg.framework.shapes import text as shape_text
    node = value.node
    text = explain(f"{node.op_type} {node.name!r}: output {value.index} has shape {shape_text(shape)}, but the graph "
                   f"says {shape_text(value.shape)}", hint="a set_shape that holds in every run",
                   built_at=_frame(node))
    return errors.InvalidArgumentError(None, node.source, text)


def kernel_error(node, code, text):
    """A kernel in C reported an error code and a text."""
    problem = text or f"kernel failed with code {code}"
    text = explain(f"{problem}\n\t [[{node.op_type} {node.name!r}]]", built_at=_frame(node))
    return type(error_of_code(code, ""))(None, node.source, text)


def copy_error(origin, target, error):
    """What a device in Python raised when it was asked for a copy; `origin`, `target`: Device, None for the host."""
    if target is None or target.is_host:
        return errors.of_device(f"{origin.name}: a copy to the host failed", error)
    asked = "to the device" if origin is None or origin.is_host else f"from {origin.name}"
    return errors.of_device(f"{target.name}: a copy {asked} failed", error)


python_error = errors.of_python             # a step in Python raised


def raise_named(plan, node, told, error):
    """Raises what is `told` of an error in a plan's node with op and line: those of the op that the device names."""
    told = python_error(_culprit(plan, error) or node, told)
    if told is error:
        raise error                         # it has been told by another run, or by an op
    raise told from error


def name_op(plan, error):
    """Adds op and line to an error of enqueued work, where a device has said in whose work it went wrong."""
    node = _culprit(plan, error)
    if node is not None:
        python_error(node, error)


def _culprit(plan, error):
    """The node that a device names; None where it names none, or one of another plan, which waits further out."""
    name = getattr(error, "op_name", None)
    return name and next((s.node for s in plan.steps if s.kind == KERNEL and s.node.name == name), None)
