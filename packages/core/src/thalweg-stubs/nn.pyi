"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any
from thalweg.framework.graph import Tensor

from thalweg.ops.convolution import atrous_conv2d as atrous_conv2d
from thalweg.ops.convolution import atrous_conv2d_transpose as atrous_conv2d_transpose
from thalweg.ops.pooling import avg_pool as avg_pool
from thalweg.ops.pooling import avg_pool1d as avg_pool1d
from thalweg.ops.pooling import avg_pool2d as avg_pool2d
from thalweg.ops.pooling import avg_pool3d as avg_pool3d
from thalweg.ops.batch_norm import batch_norm_with_global_normalization as batch_norm_with_global_normalization
from thalweg.ops.batch_norm import batch_normalization as batch_normalization
from thalweg.ops.bias import bias_add as bias_add
from thalweg.ops.conv import conv1d as conv1d
from thalweg.ops.conv import conv1d_transpose as conv1d_transpose
from thalweg.ops.conv import conv2d as conv2d
from thalweg.ops.conv import conv2d_backprop_filter as conv2d_backprop_filter
from thalweg.ops.conv import conv2d_backprop_input as conv2d_backprop_input
from thalweg.ops.conv import conv2d_transpose as conv2d_transpose
from thalweg.ops.conv import conv3d as conv3d
from thalweg.ops.conv import conv3d_transpose as conv3d_transpose
from thalweg.ops.convolution import convolution as convolution
from thalweg.ops.activation import crelu as crelu
from thalweg.ops.space_to_batch import depth_to_space as depth_to_space
from thalweg.ops.depthwise import depthwise_conv2d as depthwise_conv2d
from thalweg.ops.depthwise import depthwise_conv2d_native_backprop_filter as depthwise_conv2d_backprop_filter
from thalweg.ops.depthwise import depthwise_conv2d_native_backprop_input as depthwise_conv2d_backprop_input
from thalweg.ops.depthwise import depthwise_conv2d_native as depthwise_conv2d_native
from thalweg.ops.depthwise import depthwise_conv2d_native_backprop_filter as depthwise_conv2d_native_backprop_filter
from thalweg.ops.depthwise import depthwise_conv2d_native_backprop_input as depthwise_conv2d_native_backprop_input
from thalweg.ops.nn_random import dropout as dropout
def elu(features: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.embedding import embedding_lookup as embedding_lookup
from thalweg.ops.batch_norm import fused_batch_norm as fused_batch_norm
from thalweg.ops.top_k import in_top_k as in_top_k
def l2_loss(t: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.norm import l2_normalize as l2_normalize
from thalweg.ops.activation import leaky_relu as leaky_relu
from thalweg.ops.lrn import local_response_normalization as local_response_normalization
from thalweg.ops.cross_entropy import log_poisson_loss as log_poisson_loss
from thalweg.ops.softmax import log_softmax as log_softmax
from thalweg.ops.lrn import local_response_normalization as lrn
from thalweg.ops.pooling import max_pool as max_pool
from thalweg.ops.pooling import max_pool1d as max_pool1d
from thalweg.ops.pooling import max_pool2d as max_pool2d
from thalweg.ops.pooling import max_pool3d as max_pool3d
from thalweg.ops.pooling import max_pool_with_argmax as max_pool_with_argmax
from thalweg.ops.moments import moments as moments
from thalweg.ops.moments import normalize_moments as normalize_moments
from thalweg.ops.pooling import pool as pool
def relu(features: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.activation import relu6 as relu6
from thalweg.ops.activation import relu_layer as relu_layer
def selu(features: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.depthwise import separable_conv2d as separable_conv2d
def sigmoid(x: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.cross_entropy import sigmoid_cross_entropy_with_logits as sigmoid_cross_entropy_with_logits
from thalweg.ops.softmax import softmax as softmax
from thalweg.ops.softmax import softmax_cross_entropy_with_logits as softmax_cross_entropy_with_logits
from thalweg.ops.softmax import softmax_cross_entropy_with_logits_v2 as softmax_cross_entropy_with_logits_v2
def softplus(features: Any, name: Any = ...) -> Tensor: ...
def softsign(features: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.space_to_batch import space_to_batch as space_to_batch
from thalweg.ops.space_to_batch import space_to_depth as space_to_depth
from thalweg.ops.softmax import sparse_softmax_cross_entropy_with_logits as sparse_softmax_cross_entropy_with_logits
from thalweg.ops.moments import sufficient_statistics as sufficient_statistics
from thalweg.ops.activation import swish as swish
def tanh(x: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.top_k import top_k as top_k
from thalweg.ops.cross_entropy import weighted_cross_entropy_with_logits as weighted_cross_entropy_with_logits
from thalweg.ops.moments import weighted_moments as weighted_moments
from thalweg.ops.space_to_batch import with_space_to_batch as with_space_to_batch
from thalweg.ops.activation import xw_plus_b as xw_plus_b
from thalweg.ops.reduction import zero_fraction as zero_fraction
