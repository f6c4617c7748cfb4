"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.checks import assert_same_float_dtype as assert_same_float_dtype
from thalweg.ops.checks import assert_scalar as assert_scalar
from thalweg.ops.cond import smart_cond as smart_cond
from thalweg.contrib.framework import nest as nest
