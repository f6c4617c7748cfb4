"""Which cards are used, and what is told of those that are not."""
import logging
from types import SimpleNamespace

import pytest

from thalweg_cuda.device import usable

NVRTC = SimpleNamespace(archs=(75, 80, 90), version=(13, 0))


def shows(*capabilities):
    """A driver with such cards."""
    cards = [SimpleNamespace(name=lambda: "Card", compute_capability=lambda c=c: c) for c in capabilities]

    class Device:
        count = staticmethod(lambda: len(cards))

        def __new__(cls, number):
            return cards[number]
    return SimpleNamespace(Device=Device)


def test_a_card_that_is_too_old_is_left_out_and_told(caplog):
    with caplog.at_level(logging.WARNING, "thalweg"):
        numbers, refusals = usable.sorted_out(shows((9, 0), (7, 2), (7, 5), (12, 1)), NVRTC)
    assert numbers == (0, 2, 3)
    assert refusals == {1: "card 1, Card, has compute capability 7.2, and NVRTC 13.0 makes code for 7.5 and above"}
    assert f"thalweg-cuda leaves a card out: {refusals[1]}" in caplog.text


def test_no_card_is_new_enough():
    with pytest.raises(RuntimeError, match=r"card 0, Card, has compute capability 6.1, .* 7.5 and above; card 1, "
                                           r"Card, .*\. Use a newer card, or the CPU"):
        usable.sorted_out(shows((6, 1), (7, 0)), NVRTC)


def test_no_cards_at_all():
    assert usable.sorted_out(shows(), NVRTC) == ((), {})


@pytest.mark.parametrize("version, is_refused", [(12090, True), (13000, False), (13020, False)])
def test_the_drivers_version(version, is_refused):
    driver = SimpleNamespace(get_driver_version=lambda: version)
    if is_refused:
        with pytest.raises(RuntimeError, match="is one for CUDA 12.9, and thalweg-cuda needs one for 13.0: install a "
                                               "driver of version 580 or newer"):
            usable.check_driver(driver)
    else:
        usable.check_driver(driver)


def test_fast_types():
    assert [usable.fast_types(c) for c in ((7, 5), (8, 0), (9, 0))] == [["float16"]] + [["float16", "bfloat16"]] * 2
