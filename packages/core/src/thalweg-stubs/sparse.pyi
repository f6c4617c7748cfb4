"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.framework.sparse_tensor import SparseTensor as SparseTensor
from thalweg.ops.sparse import sparse_placeholder as placeholder
from thalweg.ops.sparse import sparse_reorder as reorder
from thalweg.ops.sparse import sparse_tensor_to_dense as to_dense
