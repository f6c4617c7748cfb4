"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any

from thalweg_nn.layers.pooling import AveragePooling1D as AveragePooling1D
from thalweg_nn.layers.pooling import AveragePooling2D as AveragePooling2D
from thalweg_nn.layers.pooling import AveragePooling3D as AveragePooling3D
from thalweg_nn.layers.normalization import BatchNormalization as BatchNormalization
from thalweg_nn.layers.convolutional import Conv1D as Conv1D
from thalweg_nn.layers.convolutional import Conv2D as Conv2D
from thalweg_nn.layers.convolutional import Conv2DTranspose as Conv2DTranspose
from thalweg_nn.layers.convolutional import Conv3D as Conv3D
from thalweg_nn.layers.convolutional import Conv3DTranspose as Conv3DTranspose
from thalweg_nn.layers.core import Dense as Dense
from thalweg_nn.layers.core import Dropout as Dropout
from thalweg_nn.layers.core import Flatten as Flatten
from thalweg_nn.layers.base import Layer as Layer
from thalweg_nn.layers.pooling import MaxPooling1D as MaxPooling1D
from thalweg_nn.layers.pooling import MaxPooling2D as MaxPooling2D
from thalweg_nn.layers.pooling import MaxPooling3D as MaxPooling3D
from thalweg_nn.layers.convolutional import SeparableConv1D as SeparableConv1D
from thalweg_nn.layers.convolutional import SeparableConv2D as SeparableConv2D
def average_pooling1d(inputs: Any, pool_size: Any, strides: Any, padding: Any = ..., data_format: Any = ..., name: Any = ...) -> Any: ...
def average_pooling2d(inputs: Any, pool_size: Any, strides: Any, padding: Any = ..., data_format: Any = ..., name: Any = ...) -> Any: ...
def average_pooling3d(inputs: Any, pool_size: Any, strides: Any, padding: Any = ..., data_format: Any = ..., name: Any = ...) -> Any: ...
from thalweg_nn.layers.normalization import batch_normalization as batch_normalization
from thalweg_nn.layers.convolutional import conv1d as conv1d
from thalweg_nn.layers.convolutional import conv2d as conv2d
from thalweg_nn.layers.convolutional import conv2d_transpose as conv2d_transpose
from thalweg_nn.layers.convolutional import conv3d as conv3d
from thalweg_nn.layers.convolutional import conv3d_transpose as conv3d_transpose
from thalweg_nn.layers.core import dense as dense
from thalweg_nn.layers.core import dropout as dropout
from thalweg_nn.layers.core import flatten as flatten
def max_pooling1d(inputs: Any, pool_size: Any, strides: Any, padding: Any = ..., data_format: Any = ..., name: Any = ...) -> Any: ...
def max_pooling2d(inputs: Any, pool_size: Any, strides: Any, padding: Any = ..., data_format: Any = ..., name: Any = ...) -> Any: ...
def max_pooling3d(inputs: Any, pool_size: Any, strides: Any, padding: Any = ..., data_format: Any = ..., name: Any = ...) -> Any: ...
from thalweg_nn.layers.convolutional import separable_conv1d as separable_conv1d
from thalweg_nn.layers.convolutional import separable_conv2d as separable_conv2d
