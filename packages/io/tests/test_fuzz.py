"""A short round of `support/fuzz.py`, always the same inputs; `tox -e fuzz` draws others for a minute or an hour."""
import fuzz
import pytest


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_mutated_files(kind, tmp_path):
    said = []
    finds = fuzz.fuzz(600, 7, str(tmp_path), [kind], batches=3, say=said.append)
    assert not finds, "\n".join(said)
    assert f"{3 * fuzz.BATCH} inputs" in said[-1]
