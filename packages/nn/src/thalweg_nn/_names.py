"""The public names that thalweg-nn brings: `"layers.dense"` stands for `tf.layers.dense`. The form: thalweg's
`_surface/tables.py`.

Sorted by room. One TensorFlow 1.x name is enough where an object has several. `tools/stubs` after a change.
"""

_LAYERS = "thalweg_nn.layers."
_LOSSES = "thalweg_nn.losses."

NAMES: dict[str, str] = {
    # --- layers -------------------------------------------------------------------------------------
    "layers.Layer": _LAYERS + "base:Layer",
    **{"layers." + name: _LAYERS + "convolutional:" + name for name in (
        "Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D", "conv1d", "conv2d", "conv3d",
        "separable_conv1d", "separable_conv2d")},
    **{"layers." + name: _LAYERS + "transposed:" + name for name in (
        "Conv2DTranspose", "Conv3DTranspose", "conv2d_transpose", "conv3d_transpose")},
    **{"layers." + name: _LAYERS + "core:" + name for name in (
        "Dense", "Dropout", "Flatten", "dense", "dropout", "flatten")},
    **{"layers." + name: _LAYERS + "normalization:" + name for name in ("BatchNormalization", "batch_normalization")},
    **{"layers." + name: _LAYERS + "pooling:" + name for name in (
        "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
        "average_pooling1d", "average_pooling2d", "average_pooling3d", "max_pooling1d", "max_pooling2d",
        "max_pooling3d")},

    **{"contrib.layers." + name: "thalweg_nn.regularizers:" + name for name in (
        "apply_regularization", "l1_l2_regularizer", "l1_regularizer", "l2_regularizer", "sum_regularizer")},
    **{"contrib.layers." + name: "thalweg_nn.contrib_layers:" + name for name in ("flatten", "one_hot_encoding")},

    # --- losses -------------------------------------------------------------------------------------
    **{"losses." + name: _LOSSES + "reduction:" + name for name in (
        "Reduction", "add_loss", "compute_weighted_loss", "get_losses", "get_regularization_loss",
        "get_regularization_losses", "get_total_loss")},
    **{"losses." + name: _LOSSES + "regression:" + name for name in (
        "absolute_difference", "cosine_distance", "hinge_loss", "huber_loss", "log_loss",
        "mean_pairwise_squared_error", "mean_squared_error")},
    **{"losses." + name: _LOSSES + "classification:" + name for name in (
        "sigmoid_cross_entropy", "softmax_cross_entropy", "sparse_softmax_cross_entropy")},

    # --- training -----------------------------------------------------------------------------------
    **{"train." + name: "thalweg_nn.optimizers:" + name for name in (
        "AdadeltaOptimizer", "AdagradDAOptimizer", "AdagradOptimizer", "AdamOptimizer", "FtrlOptimizer",
        "GradientDescentOptimizer", "MomentumOptimizer", "Optimizer", "ProximalAdagradOptimizer",
        "ProximalGradientDescentOptimizer", "RMSPropOptimizer")},
    **{"train.experimental." + name: "thalweg_nn.optimizers.loss_scale:" + name for name in (
        "DynamicLossScale", "FixedLossScale", "LossScale")},
    **{"train.experimental." + name: "thalweg_nn.optimizers.mixed_precision:" + name for name in (
        "MixedPrecisionLossScaleOptimizer", "disable_mixed_precision_graph_rewrite",
        "enable_mixed_precision_graph_rewrite")},
    **{"train." + name: "thalweg_nn.training_util:" + name for name in (
        "assert_global_step", "create_global_step", "get_global_step", "get_or_create_global_step", "global_step")},
    **{"train." + name: "thalweg_nn.schedules:" + name for name in (
        "cosine_decay", "cosine_decay_restarts", "exponential_decay", "inverse_time_decay", "linear_cosine_decay",
        "natural_exp_decay", "noisy_linear_cosine_decay", "piecewise_constant", "polynomial_decay")},
    "train.ExponentialMovingAverage": "thalweg_nn.moving_averages:ExponentialMovingAverage",
}
