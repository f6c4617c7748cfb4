"""If, While and lists of tensors as table rows: every device, both derivatives. More in tests/control_flow."""
from thalweg.testing.table import table_test
from thalweg.testing.tables.control_flow import ROWS

test_control_flow = table_test(ROWS)
