"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any
from thalweg.framework.graph import Tensor

def band_part(input: Any, num_lower: Any, num_upper: Any, name: Any = ..., *, Tindex: Any = ...) -> Tensor: ...
from thalweg.ops.diagonal import matrix_diag as diag
from thalweg.ops.diagonal import matrix_diag_part as diag_part
from thalweg.ops.tensordot import einsum as einsum
from thalweg.ops.diagonal import eye as eye
from thalweg.ops.norm import global_norm as global_norm
from thalweg.ops.norm import l2_normalize as l2_normalize
from thalweg.ops.matmul import matmul as matmul
from thalweg.ops.array import matrix_transpose as matrix_transpose
from thalweg.ops.norm import norm as norm
from thalweg.ops.linalg import qr as qr
from thalweg.ops.diagonal import matrix_set_diag as set_diag
def tensor_diag(diagonal: Any, name: Any = ...) -> Tensor: ...
def tensor_diag_part(input: Any, name: Any = ...) -> Tensor: ...
from thalweg.ops.tensordot import tensordot as tensordot
from thalweg.ops.diagonal import trace as trace
from thalweg.ops.array import matrix_transpose as transpose
def triangular_solve(matrix: Any, rhs: Any, lower: Any = ..., adjoint: Any = ..., name: Any = ...) -> Tensor: ...
