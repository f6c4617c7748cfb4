"""Special functions, against SciPy."""
from thalweg.testing.table import table_test
from thalweg.testing.tables.special import ROWS

test_special = table_test(ROWS)
