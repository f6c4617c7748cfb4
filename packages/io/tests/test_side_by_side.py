"""side_by_side: results in order, one error, several threads where there are several processors."""
import threading

import pytest

from thalweg_io import side_by_side as module
from thalweg_io.side_by_side import side_by_side


@pytest.mark.parametrize("processors", [1, 2, 64])
def test_results_and_errors(monkeypatch, processors):
    monkeypatch.setattr(module, "processors", lambda: processors)
    assert side_by_side(lambda item: item * item, list(range(50))) == [k * k for k in range(50)]
    assert side_by_side(str, []) == []
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 // item, [3, 2, 1, 0, 1])


def test_several_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 2)
    both = threading.Barrier(2, timeout=30)               # passes only with two threads in it
    assert len(side_by_side(lambda item: both.wait(), [1, 2])) == 2
