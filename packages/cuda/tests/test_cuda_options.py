"""ConfigProto's gpu_options: what they mean, and what is refused."""
import pytest

from thalweg.framework import errors
from thalweg_cuda.device.options import Options


def test_nothing_asked():
    options = Options(allow_growth=True, polling_active_delay_usecs=3, experimental=None)
    assert options.memory_fraction == 0.0 and [options.number(i, 2) for i in range(2)] == [0, 1]


def test_visible_cards_are_renumbered():
    options = Options(visible_device_list="3, 1")
    assert [options.number(i, 4) for i in range(2)] == [3, 1]
    with pytest.raises(errors.NotFoundError, match="^there is no /device:CUDA:2: 2 cards are visible, as GPUOptions' "
                                                   "visible_device_list is '3,1'$"):
        options.number(2, 4)
    with pytest.raises(errors.NotFoundError, match="^there is no /device:CUDA:1: 1 card is visible"):
        Options(visible_device_list="1").number(1, 2)


def test_a_card_that_is_not_there():
    with pytest.raises(errors.InvalidArgumentError, match="visible_device_list is '1', and the driver shows 1 card$"):
        Options(visible_device_list="1").number(0, 1)


@pytest.mark.parametrize("options, text", [
    ({"per_process_gpu_memory_fraction": 1.5}, "per_process_gpu_memory_fraction is 1.5, a number from 0 to 1"),
    ({"visible_device_list": "a"}, "visible_device_list is 'a'; numbers with commas were expected"),
    ({"visible_device_list": 1}, "visible_device_list is 1; a text was expected, such as '0,2'"),
    ({"visible_device_list": "1,1"}, "visible_device_list '1,1' names a card twice"),
    ({"allocator_type": "mine"}, "allocator_type is 'mine'; there is 'BFC', which is the default")])
def test_what_makes_no_sense(options, text):
    with pytest.raises(errors.InvalidArgumentError, match=text):
        Options(**options)
