"""How a Work is bound: arguments packed as C lays them out, addresses filled in at each call, commands in order."""
import contextlib
import struct
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from thalweg_cuda.device.bound import Bound
from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.work import Copy, Draw, Fill, Flag, Launch, LibraryCall, Source, Work, input_, output, workspace

SOURCE = Source("text")


class Card:
    """What a Bound needs of a card; it writes down what is enqueued."""

    def __init__(self):
        self.log, self.prepared = [], []
        self.lock, self.context = threading.RLock(), contextlib.nullcontext()
        self.stream, self.most_shared = SimpleNamespace(handle=77), 48 << 10
        self.recorder = SimpleNamespace(current=None)
        self.driver = SimpleNamespace(
            memcpy_dtod_async=lambda *args: self.log.append(("copy", *args[:3])),
            memset_d8_async=lambda *args: self.log.append(("fill", *args[:3])),
            function_attribute=SimpleNamespace(MAX_DYNAMIC_SHARED_SIZE_BYTES="most shared"))
        self.programs = SimpleNamespace(prepare=lambda source, user: self.prepared.append(source),
                                        function=self.function)

    def function(self, source, entry):
        def launch(grid, block, packed, shared, stream):
            assert stream is self.stream
            self.log.append((entry, grid, block, bytes(packed), shared))

        def allow(attribute, nbytes):
            self.most_shared = nbytes
            self.log.append((attribute, nbytes))
        return SimpleNamespace(_launch_kernel=launch, get_attribute=lambda name: self.most_shared, set_attribute=allow)

    def record_for(self, flag, op_name):
        self.log.append(("record", op_name))
        return SimpleNamespace(address=9000)


def launch(*args, **options):
    return Launch(SOURCE, "f", (3,), (64, 2), args, **options)


def test_arguments_lie_as_in_c():
    card = Card()
    work = Work((launch(np.int32(-1), input_(1, 8), np.uint8(7), np.float16(1), output(), np.complex64(1 + 2j),
                        np.int64(5), np.bool_(True)),))
    Bound(card, work, "Op")([100, 200], [300])
    (entry, grid, block, packed, shared), = card.log
    assert (entry, grid, block, shared) == ("f", (3, 1, 1), (64, 2, 1), 0)
    assert packed == struct.pack("i4xQB1xe4xQffq?7x", -1, 208, 7, 1.0, 300, 1.0, 2.0, 5, True)


def test_each_call_has_addresses_of_its_own():
    card = Card()
    bound = Bound(card, Work((launch(input_(0), output(), workspace(16)),), workspace_bytes=64), "Op")
    bound([1], [2], workspace=3)
    bound([4], [5], workspace=6)
    assert [struct.unpack("QQQ", entry[3]) for entry in card.log] == [(1, 2, 19), (4, 5, 22)]
    assert bound.workspace_bytes == 64


def test_commands_run_in_order():
    card = Card()
    called = []
    call = LibraryCall("gemm", lambda *args: called.append((args, len(card.log))), (input_(0), output()))
    work = Work((Copy(output(0, 4), input_(0), 10), Fill(output(), 8, 255), call, Copy(output(), input_(0), 0),
                 launch()))
    Bound(card, work, "Op")([100], [200])
    assert card.log == [("copy", 204, 100, 10), ("fill", 200, 255, 8), ("f", (3, 1, 1), (64, 2, 1), b"", 0)]
    assert called == [((77, 100, 200), 2)]


def refusing(refuses, told):
    """A library's Work that raises while `refuses` holds something, and its own: a Fill."""
    def call(*args):
        if refuses:
            raise LibraryError("gemm: not supported")
    def otherwise(error):
        told.append(str(error))
        return Work((Fill(output(), 8),))
    return Work((LibraryCall("gemm", call, ()),), otherwise=otherwise)


def test_what_a_library_refuses_at_first_is_done_otherwise_from_then_on():
    card, refuses, told = Card(), ["yes"], []
    bound = Bound(card, refusing(refuses, told), "Op")
    bound([], [1])
    refuses.clear()
    bound([], [2])
    assert card.log == [("fill", 1, 0, 8), ("fill", 2, 0, 8)] and told == ["gemm: not supported"]


def test_what_a_library_refuses_later_is_an_error():
    card, refuses, told = Card(), [], []
    bound = Bound(card, refusing(refuses, told), "Op")
    bound([], [1])
    refuses.append("yes")
    with pytest.raises(LibraryError, match="gemm: not supported"):
        bound([], [1])
    refuses.clear()
    bound([], [1])
    assert not card.log and not told


def test_what_a_library_refuses_while_that_is_recorded_is_an_error():
    """It may just not be one that can be recorded; the next call, which is not recorded, tells."""
    card, told = Card(), []
    bound = Bound(card, refusing(["yes"], told), "Op")
    card.recorder.current = "a recording"
    with pytest.raises(LibraryError, match="gemm: not supported"):
        bound([], [1])
    assert not card.log and not told
    card.recorder.current = None
    bound([], [1])
    assert card.log and told


def test_threads_that_are_refused_at_once_all_go_on():
    card, told, both = Card(), [], threading.Barrier(2)

    def call(*args):
        card.lock.release()              # as if each were at its call before the other has failed
        both.wait(60)
        card.lock.acquire()
        raise LibraryError("gemm: not supported")
    work = refusing([], told)._replace(commands=(LibraryCall("gemm", call, ()),))
    bound, failed = Bound(card, work, "Op"), []

    def run(k):
        try:
            bound([], [k])
        except LibraryError as error:
            failed.append(error)
    threads = [threading.Thread(target=run, args=(k,)) for k in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and len(told) == 1 and sorted(card.log) == [("fill", 1, 0, 8), ("fill", 2, 0, 8)]


def test_a_draw_is_the_address_that_core_gives():
    card = Card()
    draw = Draw(12)
    bound = Bound(card, Work((launch(draw, output()), launch(draw))), "Op")
    assert bound.rng_blocks == 12
    bound([], [1], rng=5000)
    assert [entry[3] for entry in card.log] == [struct.pack("QQ", 5000, 1), struct.pack("Q", 5000)]


def test_two_draws_are_a_fault_of_the_kernel():
    with pytest.raises(ValueError, match="the kernel of Op draws 2 times; one Draw for all its launches"):
        Bound(Card(), Work((launch(Draw(1), Draw(2)),)), "Op")


def test_a_flag_gets_a_record():
    card = Card()
    Bound(card, Work((launch(np.int32(1), Flag(str)),)), "Op", "scope/op")([], [])
    assert card.log[0] == ("record", "scope/op")
    assert card.log[1][3] == struct.pack("i4xQ", 1, 9000)


def test_much_shared_memory_is_asked_for_once():
    card = Card()
    bound = Bound(card, Work((launch(shared=100_000),)), "Op")
    bound([], [])
    bound([], [])
    assert [entry[0] for entry in card.log] == ["most shared", "f", "f"] and card.log[0] == ("most shared", 100_000)


def test_nodes_that_share_a_function_get_the_most_shared_memory_of_any():
    card = Card()
    for shared in (60_000, 100_000, 70_000):
        Bound(card, Work((launch(shared=shared),)), "Op")([], [])
    assert card.most_shared == 100_000


def test_sources_are_compiled_before_the_first_call():
    card = Card()
    Bound(card, Work((launch(),)), "Op")
    assert card.prepared == [SOURCE] and not card.log


def test_commands_that_hang_on_values():
    card = Card()
    work = Work(lambda values: (Fill(output(), int(values[1])),), host_inputs=(1,), inplace=(0,))
    bound = Bound(card, work, "Op")
    bound([100, np.int32(5)], [200])
    bound([100, np.int32(7)], [200])
    assert [entry[3] for entry in card.log] == [5, 7]
    assert bound.host_inputs == (1,) and bound.inplace == (0,)
    assert not bound.is_async                            # a recording would repeat the first call's commands


def test_an_argument_of_no_c_type():
    with pytest.raises(TypeError, match="Op: an argument of f is 3; an Operand, a Draw, a Flag or a NumPy scalar was"):
        Bound(Card(), Work((launch(3),)), "Op")([], [])
