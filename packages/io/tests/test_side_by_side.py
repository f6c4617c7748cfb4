"""side_by_side: results in order, one error, several threads where there are several processors."""
import os
import threading
import weakref

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


def test_the_first_of_several_errors(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 4)
    begun = threading.Barrier(4, timeout=30)

    def fail(item):
        begun.wait()
        raise ValueError(item)
    with pytest.raises(ValueError, match="^0$"):
        side_by_side(fail, [0, 1, 2, 3])


def test_work_inside_of_work_stays_on_its_thread(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 4)

    def threads_of(item):
        return set(side_by_side(lambda _: threading.get_ident(), range(20))) == {threading.get_ident()}
    assert all(side_by_side(threads_of, range(40)))
    both = threading.Barrier(2, timeout=30)
    assert len(side_by_side(lambda item: both.wait(), [1, 2])) == 2           # afterwards threads take part again


def test_nobody_is_at_work_after_an_error(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 2)
    begun, running = threading.Barrier(2, timeout=30), []

    def item(number):
        begun.wait()
        if number == 0:
            raise KeyboardInterrupt
        running.append(number)
        threading.Event().wait(0.05)
        running.remove(number)
    with pytest.raises(KeyboardInterrupt):
        side_by_side(item, [0, 1])
    assert not running


def test_in_a_forked_child(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 2)
    side_by_side(str, [1, 2])                             # the pool is there
    child = os.fork()
    if not child:
        both = threading.Barrier(2, timeout=10)
        os._exit(0 if len(side_by_side(lambda item: both.wait(), [1, 2])) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0


class Item:
    pass


def test_nothing_is_held_by_threads_that_had_no_time_for_it(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 4)
    may_end, items = threading.Event(), [Item()] * 5
    held = weakref.ref(items[0])
    busy = [module._pool().submit(may_end.wait, 60) for _ in range(module._MOST_THREADS)]
    try:
        assert {id(r) for r in side_by_side(lambda item: item, items)} == {id(items[0])}
        del items
        assert held() is None
    finally:
        may_end.set()
        for future in busy:
            future.result()
