"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.contrib import eager as eager
from thalweg.contrib import framework as framework
from thalweg.contrib import layers as layers
from thalweg.contrib import learn as learn
from thalweg.contrib import nn as nn
from thalweg.contrib import slim as slim
from thalweg.contrib import stateless as stateless
from thalweg.contrib import training as training
from thalweg.contrib import util as util
