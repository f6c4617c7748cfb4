"""Batch norm folded into the weights before it: one multiplication fewer per element, with the same values.

(x * w) s + o = x * (w s) + o, with s = scale / sqrt(variance + epsilon), o = offset - mean s; computed in float64.
"""
import numpy as np

from ..tensor_proto import make_ndarray, tensor_proto
from .node_map import check_is_graph_def, consumers, data_inputs, like, nodes_by_name, output_of, source_of

_FUSED = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}
_WEIGHTED = {"Conv2D", "DepthwiseConv2dNative", "MatMul"}
_ADDING = {"BiasAdd", "Add", "AddV2"}
_LARGEST_FILL = 1 << 26                  # bytes
_EPSILON = 1e-4                          # of a FusedBatchNorm that names none


def fold_batch_norms(input_graph_def, protected_nodes=()):
    """`input_graph_def` with each batch norm, and each product with a constant per channel, folded into the
    convolution or product of matrices before it, where that one's weights are constant and nobody else takes its
    result.

    A batch norm becomes a BiasAdd of its name. Parameters of a batch norm in training mode are no constants; such
    nodes stay.

    Parameters
    ----------
    input_graph_def : GraphDef          with constants for variables: freeze it first
    protected_nodes : names of nodes whose values must stay as they are, beside the batch norms
    """
    check_is_graph_def(input_graph_def, "fold_batch_norms")
    folding = _Folding(input_graph_def, set(protected_nodes))
    for node in input_graph_def.node:
        if node.op in _FUSED or node.op == "BatchNormWithGlobalNormalization":
            folding.fold_norm(node)
        elif node.op == "Mul":
            folding.fold_product(node)
    return folding.result()


class _Folding:
    """A graph whose nodes are replaced one by one."""

    def __init__(self, graph_def, protected):
        self._graph_def, self._protected = graph_def, protected
        self._nodes, self._consumers = dict(nodes_by_name(graph_def)), consumers(graph_def)
        self._replaced: dict = {}

    def result(self):
        """The GraphDef; constants that nobody takes any more are left out."""
        nodes = [new for node in self._graph_def.node for new in self._replaced.get(node.name, [node])]
        taken = {source_of(text) for node in nodes for text in node.input}
        lost = {source_of(text) for name in self._replaced for text in self._nodes[name].input}
        orphans = {name for name in lost - taken - self._protected if self._nodes[name].op == "Const"}
        return like(self._graph_def, [node for node in nodes if node.name not in orphans])

    # --- the two patterns -----------------------------------------------------------------------------

    def fold_norm(self, node):
        parameters = self._norm_parameters(node)
        others_taken = any(output_of(user.input[i])[1] for user, i in self._consumers[node.name]
                           if not user.input[i].startswith("^"))
        if parameters is not None and not others_taken:
            self._absorb(node, data_inputs(node)[0], *parameters)

    def fold_product(self, node):
        found = self._constant_operand(node)
        if found is None:
            return
        scale, position = found
        self._absorb(node, data_inputs(node)[1 - position], scale, None)

    def _absorb(self, node, text, scale, offset):
        """Makes `node`, which is scale * images + offset, part of what gives the images `text`, where it can."""
        adding, bias, source = None, None, self._node(text)
        if source.op in _ADDING:
            found = self._constant_operand(source)
            if found is None or not self._is_only_for(source, node):
                return
            adding, (bias, position) = source, found
            source = self._node(data_inputs(adding)[1 - position])
        channels, rank = self._channels_and_rank(source)
        if not channels or not all(_is_per_channel(array, channels, rank) for array in (scale, bias, offset)) or \
                (node.op == "Mul" or adding is not None) and _format(source) == "NCHW":
            return
        scale = np.broadcast_to(scale.reshape(-1), [channels])
        if bias is not None:
            offset = (0 if offset is None else offset) + np.broadcast_to(bias.reshape(-1), [channels]) * scale
        if not self._scaled(source, scale, adding or node):
            return
        self._replaced[node.name] = [_node_like(node, "Identity", [source.name], {"T": node.attr["T"]})] \
            if offset is None else self._bias_add(node, source, offset)
        if adding is not None:
            self._replaced[adding.name] = []

    # --- looking around -------------------------------------------------------------------------------

    def _node(self, text):
        return self._nodes[output_of(text)[0]]

    def _is_only_for(self, node, user):
        users = self._consumers[node.name]
        return node.name not in self._protected and len(users) == 1 and users[0][0].name == user.name

    def _value(self, text):
        """The value of a constant of floats, or None."""
        node = self._node(text)
        if node.op != "Const":
            return None
        value = make_ndarray(node.attr["value"].tensor, node.name)
        is_claim = 0 in value.strides and value.nbytes > _LARGEST_FILL           # one number, repeated on paper
        return value if value.dtype.kind == "f" and not is_claim else None

    def _constant_operand(self, node):
        """(value, position) of the one constant input of a sum or product."""
        texts = data_inputs(node)
        values = [self._value(text) for text in texts]
        if len(texts) != 2 or (values[0] is None) == (values[1] is None) or len(node.input) > 2:
            return None
        position = 0 if values[1] is None else 1
        return values[position].astype(np.float64), position

    def _norm_parameters(self, node):
        """(scale, offset) that the norm amounts to, in float64; None if they are not constant."""
        texts = data_inputs(node)
        if len(texts) != 5 or len(node.input) != 5:
            return None
        values = [self._value(text) for text in texts[1:]]
        if any(value is None or value.ndim != 1 or value.shape != values[0].shape for value in values):
            return None
        if node.op in _FUSED:
            if "is_training" not in node.attr or node.attr["is_training"].b:
                return None
            scale, offset, mean, variance = (value.astype(np.float64) for value in values)
            epsilon = node.attr["epsilon"].f if "epsilon" in node.attr else _EPSILON
        else:
            mean, variance, offset, scale = (value.astype(np.float64) for value in values)
            epsilon = node.attr["variance_epsilon"].f
            if not node.attr["scale_after_normalization"].b:
                scale = np.ones_like(scale)
        scale = scale / np.sqrt(variance + epsilon)
        return scale, offset - mean * scale

    def _channels_and_rank(self, source):
        """The number of channels that a node with constant weights gives, or None, and the rank of its result."""
        is_weighted = source.op in _WEIGHTED and len(data_inputs(source)) == 2
        weights = self._value(data_inputs(source)[1]) if is_weighted else None
        if weights is None or weights.ndim != (2 if source.op == "MatMul" else 4):
            return None, None
        if source.op == "DepthwiseConv2dNative":
            return weights.shape[2] * weights.shape[3], 4
        return weights.shape[0 if source.op == "MatMul" and source.attr["transpose_b"].b else -1], weights.ndim

    # --- writing --------------------------------------------------------------------------------------

    def _scaled(self, source, scale, user):
        """Whether `source`, of which only `user` takes, could take `scale` into its weights; if so it has."""
        if not self._is_only_for(source, user) or source.name in self._replaced:
            return False
        weights = self._value(data_inputs(source)[1])
        if source.op == "DepthwiseConv2dNative":
            shaped = scale.reshape(weights.shape[2:])
        else:
            shaped = scale[:, None] if source.op == "MatMul" and source.attr["transpose_b"].b else scale
        const = self._const(f"{source.name}/folded_weights", weights * shaped, weights.dtype, source)
        made = type(source)()
        made.CopyFrom(source)
        made.input[1] = const.name
        self._replaced[source.name] = [const, made]
        return True

    def _bias_add(self, node, source, offset):
        dtype = self._value(data_inputs(source)[1]).dtype
        const = self._const(f"{node.name}/folded_offset", offset, dtype, node)
        made = _node_like(node, "BiasAdd", [source.name, const.name], {"T": node.attr["T"]})
        made.attr["data_format"].s = _format(node).encode()
        return [const, made]

    def _const(self, name, value, dtype, node):
        const = type(node)(name=self._unused(name), op="Const", device=node.device)
        message = tensor_proto(np.asarray(value, dtype))
        const.attr["dtype"].type = message.dtype
        const.attr["value"].tensor.CopyFrom(message)
        self._nodes[const.name] = const
        return const

    def _unused(self, name):
        number, candidate = 0, name
        while candidate in self._nodes:
            number += 1
            candidate = f"{name}_{number}"
        return candidate


def _is_per_channel(array, channels, rank):
    """Whether a constant, broadcast to a result of `rank`, is one number or one per channel."""
    return array is None or array.ndim <= rank and (array.size == 1 or array.size == channels == array.shape[-1])


def _format(node):
    return node.attr["data_format"].s.decode() if node.attr["data_format"].s else "NHWC"


def _node_like(node, op, inputs, attrs):
    made = type(node)(name=node.name, op=op, device=node.device, input=inputs)
    for name, value in attrs.items():
        made.attr[name].CopyFrom(value)
    return made
