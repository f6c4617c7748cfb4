"""Parts of tensors, by slice."""
from thalweg.testing.table import table_test
from thalweg.testing.tables.slicing import ROWS

test_slicing = table_test(ROWS)
