"""How a random op gets its two seeds from the graph's seed and its own, and its generator a state from the two, as in
TensorFlow 1.x.
"""
import os

from .graph import get_default_graph

DEFAULT_GRAPH_SEED = 87654321
_MODULUS = 2**31 - 1
_WORD = 0xFFFFFFFF


def get_seed(op_seed):
    """The attributes `(seed, seed2)` of a random op made now in the default graph.

    Parameters
    ----------
    op_seed : int or None       what the caller of the op gave

    Returns
    -------
    (int, int) below 2**31 - 1, or (None, None): the op then draws other numbers in each session.
        Without an own seed the number of ops made so far stands in, when the graph has a seed.
        Never (0, 0), which would stand for "no seed".
    """
    graph = get_default_graph()
    graph_seed = graph.seed
    if graph_seed is None and op_seed is None:
        return None, None
    if graph_seed is None:
        graph_seed = DEFAULT_GRAPH_SEED
    elif op_seed is None:
        op_seed = graph._last_id
    seeds = graph_seed % _MODULUS, op_seed % _MODULUS
    return seeds if seeds != (0, 0) else (0, _MODULUS)


def seeded_state(seed, seed2):
    """(key, counter) for the attributes `seed` and `seed2`: the key is `seed`, the counter's upper half `seed2`."""
    if seed == 0 and seed2 == 0:
        seed, seed2 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))
    return (seed & _WORD, seed >> 32 & _WORD), (0, 0, seed2 & _WORD, seed2 >> 32 & _WORD)
