"""The table of public names: each entry leads to something that says what it is."""
import importlib

import pytest

from thalweg_io._names import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_to_a_documented_object(name):
    module, _, attribute = NAMES[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if name == "data.experimental.AUTOTUNE" or module == "thalweg_io.saved_model.constants":
        assert isinstance(found, (int, str))
        return
    assert callable(found)
    assert found.__doc__ or module == "thalweg_io.protos"
