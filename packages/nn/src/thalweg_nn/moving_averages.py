"""Moving averages of variables and tensors (`tf.train.ExponentialMovingAverage`). Nodes are TensorFlow's."""
import itertools

import thalweg as tf

from .optimizers import slots
from .refusal import refused

_DTYPES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class ExponentialMovingAverage:
    """Averages that follow their variables: average = decay * average + (1 - decay) * variable, at each update.

    Parameters
    ----------
    decay : float or Tensor []          what an average keeps at an update, close to 1: 0.999
    num_updates : int, Variable or Tensor []    count of updates so far; the decay is at most (1 + n) / (10 + n), so
                                        that the first averages move faster
    zero_debias : bool                  averages of tensors, which start at zero, are divided by 1 - decay ^ updates
                                        (arXiv:1412.6980, section 3); those of variables start at the variable
    name : str                          suffix of the averages' names, and name of the update

    Training runs the op that `apply` gives after each step; evaluation restores the averages in the variables' place:
    `tf.train.Saver(averages.variables_to_restore())`.

    Raises
    ------
    ValueError                          without a name
    """

    def __init__(self, decay, num_updates=None, zero_debias=False, name="ExponentialMovingAverage"):
        if not name:
            raise refused("ExponentialMovingAverage", "it needs a name")
        self._decay, self._num_updates, self._zero_debias, self._name = decay, num_updates, zero_debias, name
        self._averages = {}              # variable or tensor -> its average

    @property
    def name(self):
        return self._name

    # --- updating --------------------------------------------------------------------------------

    def apply(self, var_list=None):
        """An op that brings the averages up to date; makes those that there are not yet.

        Parameters
        ----------
        var_list : list of Variable or Tensor       floating point; the graph's trainable variables by default

        The averages are variables beside what they follow, in GLOBAL_VARIABLES and not trainable. One of a variable
        starts with its value, one of a tensor with zeros; the variables are put into MOVING_AVERAGE_VARIABLES.

        Raises
        ------
        TypeError       if the list is none, or holds anything else
        """
        var_list = self._checked(tf.trainable_variables() if var_list is None else var_list)
        new = [var for var in dict.fromkeys(var_list) if var not in self._averages]
        with tf.init_scope():
            self._averages.update({var: self._created(var) for var in new})
        # As in TensorFlow, only the call that makes an average corrects it.
        corrected = {var for var in new if self._zero_debias and not isinstance(var, tf.Variable)}
        with tf.name_scope(self._name) as scope:
            decay = self._present_decay()
            updates = [assign_moving_average(self._averages[var], var, decay, zero_debias=var in corrected)
                       for var in var_list]
            return tf.group(*updates, name=scope)

    def _checked(self, var_list):
        if isinstance(var_list, (tf.Variable, tf.Tensor)) or not hasattr(var_list, "__iter__"):
            raise self._refused("var_list is no list", repr(var_list), "a list of variables and tensors")
        var_list = list(var_list)
        for var in var_list:
            if not isinstance(var, (tf.Variable, tf.Tensor)):
                raise self._refused("it averages variables and tensors", repr(var),
                                    hint="list(v) for the parts of a partitioned variable v")
            if var.dtype.base_dtype not in _DTYPES:
                raise self._refused("it averages floating point numbers", f"{var.name} {var.dtype.base_dtype.name}",
                                    " or ".join(d.name for d in _DTYPES), "tf.cast, and the average of its result")
        return var_list

    def _refused(self, problem, got, expected=None, hint=None):
        return refused(f'moving average "{self._name}"', problem, got, expected, hint, TypeError)

    def _created(self, var):
        if not isinstance(var, tf.Variable):
            return slots.create_zeros_slot(var, self._name, colocate_with_primary=_is_buffer(var))
        average = slots.create_slot(var, var.initialized_value(), self._name)
        tf.add_to_collection(tf.GraphKeys.MOVING_AVERAGE_VARIABLES, var)
        return average

    def _present_decay(self):
        decay = tf.convert_to_tensor(self._decay, name="decay")
        if self._num_updates is None:
            return decay
        updates = tf.cast(self._num_updates, tf.float32, name="num_updates")
        return tf.minimum(decay, (1.0 + updates) / (10.0 + updates))

    # --- what there is ---------------------------------------------------------------------------

    def average(self, var):
        """The variable that holds the average of `var`, or None before `apply` has made it."""
        return self._averages.get(var)

    def average_name(self, var):
        """The name under which checkpoints hold the average of `var`: of the one there is, else the one to come."""
        if var in self._averages:
            return self._averages[var].op.name
        return tf.get_default_graph().unique_name(f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables=None):
        """{name in the checkpoint: variable} for a Saver that restores averages in place of their variables.

        Parameters
        ----------
        moving_avg_variables : list of Variable     those to take from their averages; by default the trainable ones
                                                    and those in MOVING_AVERAGE_VARIABLES

        The other global variables are there under their own names.
        """
        if moving_avg_variables is None:
            moving_avg_variables = tf.trainable_variables() + tf.moving_average_variables()
        averaged = dict.fromkeys(moving_avg_variables)
        found = {self.average_name(var): var for var in averaged}
        others = [var for var in tf.global_variables() if var not in averaged]
        return {**{var.op.name: var for var in others}, **found}


def _is_buffer(tensor):
    return tensor.op.type in ("Variable", "VariableV2", "VarHandleOp")


# --- one update ---------------------------------------------------------------------------------------------

def assign_moving_average(variable, value, decay, zero_debias=True, name=None):
    """variable -= (variable - value) * (1 - decay).

    Parameters
    ----------
    variable : Variable
    value : Tensor                  of the variable's shape and dtype
    decay : float or Tensor []      what the variable keeps, 0 to 1
    zero_debias : bool              the variable started at zero: it gets the average of the values alone, by two more
                                    variables, `VARIABLE/biased` and the count of updates, `VARIABLE/local_step`
    name : str                      of the scope and of the result

    Returns
    -------
    Tensor, the variable's buffer after the update

    Raises
    ------
    ValueError                      with zero_debias, if the variable's shape is not known
    """
    with tf.name_scope(name, "AssignMovingAvg", [variable, value, decay]) as scope:
        change = tf.cast(tf.convert_to_tensor(1.0 - decay, name="decay"), variable.dtype.base_dtype)
        if zero_debias:
            return tf.assign(variable, _without_bias(variable, value, change), name=scope)
        return tf.assign_sub(variable, (variable - value) * change, name=scope)


def _without_bias(variable, value, change):
    """biased / (1 - (1 - change) ^ updates), of an average that starts at zero (arXiv:1412.6980, section 3)."""
    biased, count = _helpers(variable)
    biased = tf.assign_sub(biased, (biased - value) * change)
    count = tf.assign_add(count, 1)
    return biased / (1 - tf.pow(1 - change, count))


def _helpers(variable):
    """The biased average and the count of updates, float []: variables in a scope named after `variable`."""
    shape, dtype = variable.get_shape(), variable.dtype.base_dtype
    if not shape.is_fully_defined():
        raise refused("moving average", f"without bias, the shape of {variable.name} must be known", str(shape),
                      hint="set_shape of what is averaged, or zero_debias=False")
    with tf.variable_scope(variable.op.name) as scope, tf.colocate_with(variable):
        scope.set_partitioner(None)      # averages are never split
        return [tf.get_variable(_unused(scope, name), size, dtype, initializer=tf.zeros_initializer(), trainable=False)
                for name, size in (("biased", shape), ("local_step", []))]


def _unused(scope, name):
    """The first of NAME, NAME_1, ... that is no variable of the scope; NAME where the scope reuses variables."""
    taken = () if scope.reuse else {var.op.name for var in scope.global_variables()}
    numbered = (f"{name}_{i}" for i in itertools.count(1))
    return next(n for n in itertools.chain([name], numbered) if f"{scope.name}/{n}" not in taken)
