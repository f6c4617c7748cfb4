"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.framework.nest import assert_same_structure as assert_same_structure
from thalweg.framework.nest import flatten as flatten
from thalweg.framework.nest import is_nested as is_nested
from thalweg.framework.nest import map_structure as map_structure
from thalweg.framework.nest import pack_sequence_as as pack_sequence_as
