"""`tf.saved_model.main_op`: the operation that a model runs when it has been loaded."""
from thalweg.framework.graph import control_dependencies, get_default_graph
from thalweg.ops import flow
from thalweg.variables.initialization import global_variables_initializer, local_variables_initializer


def main_op():
    """Initializes global and local variables, and tables, of which thalweg has none."""
    return flow.group(global_variables_initializer(), local_variables_initializer(),
                      flow.no_op(name="init_all_tables"))


def main_op_with_restore(restore_op_name):
    """Runs `main_op` and an operation that restores.

    Parameters
    ----------
    restore_op_name : Operation, or the name of one in the default graph
    """
    restore = get_default_graph().as_graph_element(restore_op_name, allow_tensor=False)
    with control_dependencies([main_op()]):
        return flow.group(restore)
