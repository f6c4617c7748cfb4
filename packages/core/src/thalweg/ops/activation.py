"""Activation functions of neural networks and their gradients."""
import numpy as np

from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import elementwise
from thalweg.framework.dtypes import FLOATS, REALS
from thalweg.framework.graph import name_scope

from . import array, bias, cast, comparison, constant, matmul, select, unary
from ._reference import widened

_CPU = "elementwise:elementwise"
_OF_FEATURES = "gradients: T, features: T -> backprops: T"
_OF_OUTPUTS = "gradients: T, outputs: T -> backprops: T"
_FORWARD = "features: T -> activations: T"


# --- rectifiers -------------------------------------------------------------------------------------

@elementwise("Relu", _FORWARD, T=REALS, cpu=_CPU, public="nn.relu")
def relu(features):
    """max(features, 0); NaN stays."""
    return np.where(features < 0, features.dtype.type(0), features)


@relu.gradient
def relu_grad(node, dy):
    return relu_grad_op(dy, node.activations)    # the output serves as well as the input, which can then be freed


@elementwise("ReluGrad", _OF_FEATURES, T=REALS, cpu=_CPU)
def relu_grad_op(gradients, features):
    """gradients where features > 0, else 0."""
    return np.where(features > 0, gradients, gradients.dtype.type(0))


@relu_grad_op.gradient
def relu_grad_grad(node, dy):
    return relu_grad_op(dy, node.features), constant.zeros_like(node.features)


@elementwise("Relu6", _FORWARD, T=REALS, cpu=_CPU)
def relu6_op(features):
    """min(max(features, 0), 6)."""
    kind = features.dtype.type
    return np.where(features < 0, kind(0), np.where(features > 6, kind(6), features))


@relu6_op.gradient
def relu6_grad(node, dy):
    return relu6_grad_op(dy, node.activations)


@elementwise("Relu6Grad", _OF_FEATURES, T=REALS, cpu=_CPU)
def relu6_grad_op(gradients, features):
    """gradients where 0 < features < 6, else 0."""
    return np.where((features > 0) & (features < 6), gradients, gradients.dtype.type(0))


@relu6_grad_op.gradient
def relu6_grad_grad(node, dy):
    return relu6_grad_op(dy, node.features), constant.zeros_like(node.features)


@elementwise("LeakyRelu", _FORWARD, T=FLOATS, cpu=_CPU)
def leaky_relu_op(features, *, alpha: float = 0.2):
    """features where positive, else alpha times features; for alpha > 1 the larger of both."""
    return np.maximum(features, features * features.dtype.type(alpha))


@leaky_relu_op.gradient
def leaky_relu_grad(node, dy):
    return leaky_relu_grad_op(dy, node.features, alpha=node.alpha)


@elementwise("LeakyReluGrad", _OF_FEATURES, T=FLOATS, cpu=_CPU)
def leaky_relu_grad_op(gradients, features, *, alpha: float = 0.2):
    """gradients where features > 0, else alpha times gradients."""
    return np.where(features > 0, gradients, gradients * gradients.dtype.type(alpha))


@leaky_relu_grad_op.gradient
def leaky_relu_grad_grad(node, dy):
    return leaky_relu_grad_op(dy, node.features, alpha=node.alpha), constant.zeros_like(node.features)


# --- exponential units ------------------------------------------------------------------------------

@elementwise("Elu", _FORWARD, T=FLOATS, cpu=_CPU, public="nn.elu")
@widened
def elu(features):
    """features where not negative, else exp(features) - 1 (arXiv:1511.07289)."""
    return np.where(features < 0, np.expm1(features), features)


@elu.gradient
def elu_grad(node, dy):
    return elu_grad_op(dy, node.activations)


@elementwise("EluGrad", _OF_OUTPUTS, T=FLOATS, cpu=_CPU)
@widened
def elu_grad_op(gradients, outputs):
    """gradients times (outputs + 1) where outputs are negative, else gradients."""
    return np.where(outputs < 0, gradients * (outputs + 1), gradients)


def _exponential_grad_grad(node, dy):
    """With respect to the outputs only the exponential part bends."""
    outputs = node.op.inputs[1]
    flat = constant.zeros_like(outputs)
    bent = select.where(comparison.less(outputs, flat), dy * node.gradients, flat)
    return node.op.declaration(dy, outputs), bent


elu_grad_op.gradient(_exponential_grad_grad)

_SELU_SCALE = 1.0507009873554805                 # arXiv:1706.02515, equation 14: lambda
_SELU_SCALE_ALPHA = 1.7580993408473768           # lambda times alpha


@elementwise("Selu", _FORWARD, T=FLOATS, cpu=_CPU, public="nn.selu")
@widened
def selu(features):
    """Scaled elu of arXiv:1706.02515: lambda x, or lambda alpha (exp(x) - 1) below 0."""
    kind = features.dtype.type
    return np.where(features < 0, kind(_SELU_SCALE_ALPHA) * np.expm1(features), kind(_SELU_SCALE) * features)


@selu.gradient
def selu_grad(node, dy):
    return selu_grad_op(dy, node.activations)


@elementwise("SeluGrad", _OF_OUTPUTS, T=FLOATS, cpu=_CPU)
@widened
def selu_grad_op(gradients, outputs):
    """gradients times (outputs + lambda alpha) where outputs are negative, else times lambda."""
    kind = gradients.dtype.type
    return np.where(outputs < 0, gradients * (outputs + kind(_SELU_SCALE_ALPHA)), gradients * kind(_SELU_SCALE))


selu_grad_op.gradient(_exponential_grad_grad)


# --- smooth ramps -----------------------------------------------------------------------------------

@elementwise("Softplus", _FORWARD, T=FLOATS, cpu=_CPU, public="nn.softplus")
@widened
def softplus(features):
    """Smooth ramp log(1 + exp(features)); equals features, without overflow, where these are large."""
    return np.logaddexp(features, features.dtype.type(0))


@softplus.gradient
def softplus_grad(node, dy):
    return softplus_grad_op(dy, node.features)


@elementwise("SoftplusGrad", _OF_FEATURES, T=FLOATS, cpu=_CPU)
@widened
def softplus_grad_op(gradients, features):
    """gradients / (1 + exp(-features))."""
    return gradients / (np.exp(-features) + features.dtype.type(1))


@softplus_grad_op.gradient
def softplus_grad_grad(node, dy):
    """sigmoid' = 1 / (exp(-x) + 2 + exp(x))."""
    x = node.features
    bend = unary.exp(-x) + 2.0 + unary.exp(x)
    return softplus_grad_op(dy, x), dy * node.gradients / bend


@elementwise("Softsign", _FORWARD, T=FLOATS, cpu=_CPU, public="nn.softsign")
@widened
def softsign(features):
    """features / (1 + |features|)."""
    return features / (np.abs(features) + features.dtype.type(1))


@softsign.gradient
def softsign_grad(node, dy):
    return softsign_grad_op(dy, node.features)


@elementwise("SoftsignGrad", _OF_FEATURES, T=FLOATS, cpu=_CPU)
@widened
def softsign_grad_op(gradients, features):
    """gradients / (1 + |features|)^2."""
    return gradients / np.square(np.abs(features) + features.dtype.type(1))


@softsign_grad_op.gradient
def softsign_grad_grad(node, dy):
    """d/dx (1 + |x|)^-2 = -2 sign(x) (1 + |x|)^-3."""
    x = node.features
    bend = -2.0 * unary.sign(x) * node.gradients * dy * unary.reciprocal(_cubed(1.0 + unary.abs(x)))
    return softsign_grad_op(dy, x), bend


def _cubed(x):
    return x * unary.square(x)


# --- functions of several ops -----------------------------------------------------------------------

def relu6(features, name=None):
    """min(max(features, 0), 6)."""
    with name_scope(name, "Relu6", [features]) as scope:
        return relu6_op(convert_to_tensor(features, name="features"), name=scope)


def leaky_relu(features, alpha=0.2, name=None):
    """features where positive, else `alpha` times features; integers are taken as float32."""
    with name_scope(name, "LeakyRelu", [features, alpha]) as scope:
        features = convert_to_tensor(features, name="features")
        if features.dtype.is_integer:
            features = cast.to_float(features)
        return leaky_relu_op(features, alpha=float(alpha), name=scope)


def crelu(features, name=None, axis=-1):
    """relu(features) and relu(-features), joined along `axis` (arXiv:1603.05201)."""
    with name_scope(name, "CRelu", [features]) as scope:
        features = convert_to_tensor(features, name="features")
        return relu(array.concat([features, -features], axis, name=scope))


def relu_layer(x, weights, biases, name=None):
    """relu(x weights + biases) for matrices."""
    with name_scope(name, "relu_layer", [x, weights, biases]) as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, name="weights")
        biases = convert_to_tensor(biases, name="biases")
        return relu(bias.bias_add(matmul.matmul(x, weights), biases), name=scope)


def xw_plus_b(x, weights, biases, name=None):
    """x weights + biases for matrices."""
    with name_scope(name, "xw_plus_b", [x, weights, biases]) as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, name="weights")
        biases = convert_to_tensor(biases, name="biases")
        return bias.bias_add(matmul.matmul(x, weights), biases, name=scope)


def swish(features):
    """features * sigmoid(features) (arXiv:1710.05941)."""
    features = convert_to_tensor(features, name="features")
    return array.identity_n([array.identity(features * unary.sigmoid(features))])[0]
