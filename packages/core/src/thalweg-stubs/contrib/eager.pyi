"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any

def custom_gradient(f: Any) -> Any: ...
