from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

class KernelRequest:
    op_type: str
    name: str
    attrs: dict[str, Any]
    values: dict[int, np.ndarray]
    in_shapes: tuple
    out_shapes: tuple
    in_dtypes: tuple[int, ...]
    out_dtypes: tuple[int, ...]
    ref_inputs: tuple[int, ...]
    ref_outputs: tuple[int, ...]
    declaration: Any
    refusal: str | None
    def __init__(self, op_type: str, attrs: Mapping[str, Any] | None, in_shapes: Sequence, out_shapes: Sequence,
                 in_dtypes: Sequence, out_dtypes: Sequence, values: Mapping[int, Any] | None = None,
                 declaration: Any = None, name: str = "") -> None: ...

def error_of_code(code: int, message: str) -> Exception: ...
def set_threads(threads: int = 0) -> int: ...
def threads() -> int: ...
def follow_processors() -> int: ...
def set_spin(pauses: int) -> None: ...
def started_workers() -> int: ...
