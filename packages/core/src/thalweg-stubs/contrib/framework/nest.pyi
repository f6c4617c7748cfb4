"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any

from thalweg.framework.nest import assert_same_structure as assert_same_structure
from thalweg.framework.nest import assert_shallow_structure as assert_shallow_structure
from thalweg.framework.nest import flatten as flatten
from thalweg.framework.nest import flatten_dict_items as flatten_dict_items
from thalweg.framework.nest import flatten_up_to as flatten_up_to
def is_sequence(value: Any) -> Any: ...
from thalweg.framework.nest import map_structure as map_structure
from thalweg.framework.nest import map_structure_up_to as map_structure_up_to
from thalweg.framework.nest import pack_sequence_as as pack_sequence_as
