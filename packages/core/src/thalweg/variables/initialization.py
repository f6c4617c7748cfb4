"""Collections of variables, and the ops that initialize them or tell which are not."""
import numpy as np

from thalweg.framework import dtypes
from thalweg.framework.collections import GraphKeys
from thalweg.framework.func_graph import uncounted
from thalweg.framework.graph import device, get_collection, get_default_graph, name_scope
from thalweg.ops import array, checks, comparison, constant, flow, indexing, state


def global_variables(scope=None):
    """The variables that are shared and saved; with `scope`, those whose names match that regular expression."""
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def local_variables(scope=None):
    """The variables of this process alone: not saved, usually counters."""
    return get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def model_variables(scope=None):
    """The variables that inference needs."""
    return get_collection(GraphKeys.MODEL_VARIABLES, scope)


def trainable_variables(scope=None):
    """The variables that optimizers change."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def moving_average_variables(scope=None):
    """The variables that keep moving averages of themselves."""
    return get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def _all_saveable_objects(scope=None):
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope) + get_collection(GraphKeys.SAVEABLE_OBJECTS, scope)


def variables_initializer(var_list, name="init"):
    """An operation that initializes the variables of `var_list`."""
    if not var_list:
        return flow.group(name=name)
    return flow.group(*[v.initializer for v in var_list], name=name)


def global_variables_initializer():
    """An operation that initializes all global variables."""
    return variables_initializer(global_variables())


def local_variables_initializer():
    """An operation that initializes all local variables."""
    return variables_initializer(local_variables())


def is_variable_initialized(variable):
    """Whether the variable holds a value, a bool tensor."""
    return state.is_variable_initialized(variable)


def assert_variables_initialized(var_list=None):
    """An op that fails at run time, naming the variable, unless all are initialized; None without variables."""
    var_list = global_variables() + local_variables() if var_list is None else var_list
    if not var_list:
        return None
    graph = get_default_graph()
    graph._next_id += len(var_list) + (len(var_list) > 1)                    # TensorFlow's ranks, and their stack
    with uncounted(graph):                       # an Assert reads its data, and a plan does not leave it out
        return checks.assert_op(constant.constant(True), list(var_list))


def report_uninitialized_variables(var_list=None, name="report_uninitialized_variables"):
    """A vector of the names of the variables that are not initialized when it runs."""
    if var_list is None:
        var_list = global_variables() + local_variables() or get_collection(GraphKeys.GLOBAL_VARIABLES)
    with name_scope(name), device("/cpu:0"):
        if not var_list:
            return constant.constant(np.array([], object), dtypes.string)
        is_initialized = array.stack([state.is_variable_initialized(v) for v in var_list])
        missing = comparison.logical_not(is_initialized)
        names = constant.constant([v.op.name for v in var_list])
        return indexing.boolean_mask(names, missing)


# --- the names that these functions had before TensorFlow 1.0 ---------------------------------------------

def all_variables():
    """Use `global_variables`."""
    return global_variables()


def initialize_variables(var_list, name="init"):
    """Use `variables_initializer`."""
    return variables_initializer(var_list, name)


def initialize_all_variables():
    """Use `global_variables_initializer`."""
    return global_variables_initializer()


def initialize_local_variables():
    """Use `local_variables_initializer`."""
    return local_variables_initializer()
