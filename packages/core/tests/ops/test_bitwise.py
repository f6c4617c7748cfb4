"""Operations on bits."""
from thalweg.testing.table import table_test
from thalweg.testing.tables.bitwise import ROWS

test_bitwise = table_test(ROWS)
