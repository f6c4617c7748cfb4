"""Op declarations, one file per family, and beside each op the public functions that build it.

May import thalweg.framework only. Importing this package declares every op; `import thalweg` seals them at its end.
"""
from . import (
               array,
               broadcast,
               cast,
               comparison,
               complex,
               constant,
               cumulative,
               diagonal,
               flow,
               fused,
               indexing,
               linalg,
               math,
               matmul,
               nn_random,
               operators,
               padding,
               placeholder,
               random,
               random_gamma,
               reduction,
               segment,
               select,
               sequence,
               slicing,
               state,
               stateless_random,
               unary,
)
