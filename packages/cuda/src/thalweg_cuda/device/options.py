"""ConfigProto's gpu_options, as far as they mean something here."""
from thalweg.framework import errors

_ALLOCATORS = ("", "BFC")


class Options:
    """What a session asks of the cards, before they are first used.

    Memory is taken from the driver as it is needed, with `allow_growth` or without. `polling_*`,
    `deferred_deletion_bytes` and `force_gpu_compatible` have nothing to act on.

    Attributes
    ----------
    memory_fraction : float     most of each card's memory to take; 0: all
    visible : tuple of int      driver's numbers of the cards, in the order of `/device:CUDA:0, 1`; (): all
    """

    def __init__(self, per_process_gpu_memory_fraction=0.0, visible_device_list="", allocator_type="", **ignored):
        self.memory_fraction = float(per_process_gpu_memory_fraction)
        if not 0.0 <= self.memory_fraction <= 1.0:
            raise errors.InvalidArgumentError(
                None, None, f"GPUOptions: per_process_gpu_memory_fraction is {self.memory_fraction}, a number from 0 "
                "to 1 was expected: there is no more memory than the card's")
        if not isinstance(visible_device_list, str):
            raise errors.InvalidArgumentError(
                None, None, f"GPUOptions: visible_device_list is {visible_device_list!r}; a text was expected, "
                "such as '0,2'")
        try:
            self.visible = tuple(int(part) for part in visible_device_list.split(",") if part.strip())
        except ValueError:
            raise errors.InvalidArgumentError(
                None, None, f"GPUOptions: visible_device_list is {visible_device_list!r}; numbers with commas were "
                "expected, such as '0,2'") from None
        if len(set(self.visible)) < len(self.visible):
            raise errors.InvalidArgumentError(
                None, None, f"GPUOptions: visible_device_list {visible_device_list!r} names a card twice")
        if allocator_type not in _ALLOCATORS:
            raise errors.InvalidArgumentError(
                None, None, f"GPUOptions: allocator_type is {allocator_type!r}; there is 'BFC', which is the default")

    def number(self, i, count):
        """The driver's number of `/device:CUDA:i`; NotFoundError where the options leave it out."""
        if not self.visible:
            return i
        text, n = ",".join(map(str, self.visible)), len(self.visible)
        if i >= n:
            raise errors.NotFoundError(
                None, None, f"there is no /device:CUDA:{i}: {n} card{'s are' if n > 1 else ' is'} visible, as "
                f"GPUOptions' visible_device_list is {text!r}")
        if not 0 <= self.visible[i] < count:
            raise errors.InvalidArgumentError(
                None, None, f"/device:CUDA:{i}: GPUOptions' visible_device_list is {text!r}, and the driver shows "
                f"{count} card{'s' * (count != 1)}")
        return self.visible[i]
