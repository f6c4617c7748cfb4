from collections.abc import Iterable
from typing import Any

import numpy as np

class KindError(Exception): ...

class Column:
    key: bytes
    kind: int
    values: np.ndarray
    counts: np.ndarray
    lengths: np.ndarray

class Walk:
    features: list[Column]
    lists: list[Column]
    example: int
    def __init__(self, features: Iterable[tuple[bytes, int]], lists: Iterable[tuple[bytes, int]] = ()) -> None: ...
    def over(self, serialized: list[Any]) -> None: ...
