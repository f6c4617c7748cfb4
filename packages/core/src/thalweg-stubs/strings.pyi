"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.strings import as_string as as_string
from thalweg.ops.strings import string_join as join
from thalweg.ops.strings import string_length as length
from thalweg.ops.strings import string_to_number as to_number
