"""Memory that other packages see and give: DLPack and `__cuda_array_interface__`, without a copy by the host."""
import gc
import weakref

import numpy as np
import pytest

import thalweg as tf
import thalweg_cuda
from thalweg_cuda import dlpack
from thalweg_cuda.device import cuda_device

VALUE = np.arange(6, dtype=np.float32).reshape(2, 3)


class Interface:
    """An array of a package that has only `__cuda_array_interface__`."""

    def __init__(self, array, **changes):
        self.array, self.changes = array, changes

    @property
    def __cuda_array_interface__(self):
        return {**self.array.__cuda_array_interface__, **self.changes}


class Capsules:
    """An array of a package that has only DLPack."""

    def __init__(self, array):
        self.array, self.streams = array, []

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, stream=None):
        self.streams.append(stream)
        return self.array.__dlpack__(stream=stream)


@pytest.fixture
def session():
    with tf.Session() as session:
        yield session


@pytest.fixture
def variable(session):
    with tf.device("/gpu:0"):
        made = tf.Variable(VALUE, name="weights")
    session.run(made.initializer)
    return made


@pytest.fixture
def array(session, variable):
    return thalweg_cuda.variable_array(session, variable)


def test_a_variables_memory(array, card):
    interface = array.__cuda_array_interface__
    assert interface == {"shape": (2, 3), "typestr": "<f4", "data": (array.address, False), "strides": None,
                         "version": 3, "stream": None}
    taken = dlpack.Taken(array.__dlpack__())
    assert (taken.address, taken.shape, taken.device_type, taken.ordinal) == (array.address, (2, 3), 2, 0)
    assert array.__dlpack_device__() == (2, 0) and array.nbytes == 24
    there = np.empty((2, 3), np.float32)
    card.d2h(memoryview(there).cast("B"), taken.address)
    card.sync()
    np.testing.assert_array_equal(there, VALUE)


def test_a_plugin_that_is_opened_again_makes_no_second_card(session, variable, card, monkeypatch):
    monkeypatch.setattr(cuda_device, "_opened", [])
    again = cuda_device.CudaDevice.open()
    array = thalweg_cuda.variable_array(session, variable)
    for ask in (array.__dlpack__, lambda: array.__cuda_array_interface__):
        card.h2d(array.address, memoryview(VALUE * 10).cast("B"))
        ask()
        with card.context:
            assert card.streams.compute.is_done()        # the stand-in does nothing before somebody waits for it
    assert not again._cards and array.__dlpack_device__() == (2, 0)


def test_what_another_package_writes_is_the_variables_value(session, variable, array, card):
    card.h2d(array.address, memoryview(VALUE * 10).cast("B"))
    np.testing.assert_array_equal(session.run(variable), VALUE * 10)


@pytest.mark.parametrize("wrap", [lambda a: a, Interface, Capsules])
def test_a_feed_on_a_card_stays_there(session, array, counters, wrap):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [2, None])
        y = tf.reduce_sum(tf.exp(x) * 2)
    want = np.exp(VALUE).sum() * 2
    np.testing.assert_allclose(session.run(y, {x: wrap(array)}), want, rtol=1e-5)
    counters()
    np.testing.assert_allclose(session.run(y, {x: wrap(array)}), want, rtol=1e-5)
    done = counters()
    assert (done["bytes_h2d"], done["bytes_d2h"], done["bytes_d2d"]) == (0, 4, 24)
    np.testing.assert_allclose(session.run(y, {x: VALUE * 0}), 12, rtol=1e-6)        # and a feed of the host after it
    np.testing.assert_allclose(session.run(y, {x: wrap(array)}), want, rtol=1e-5)


def test_a_result_stays_on_the_card(session, array, card, counters):
    """The recipe of the README."""
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [None, 3])
        place = tf.Variable(tf.zeros([2, 3]), trainable=False, collections=[])
        keep = place.assign(tf.cumsum(tf.cumsum(tf.exp(x)))).op
    for _ in range(3):
        session.run(keep, {x: array})
    counters()
    assert session.run(keep, {x: array}) is None
    done = counters()
    assert (done["bytes_h2d"], done["bytes_d2h"], done["bytes_d2d"], done["graph_launches"]) == (0, 0, 48, 1)
    taken, there = dlpack.Taken(thalweg_cuda.variable_array(session, place).__dlpack__()), np.empty((2, 3), np.float32)
    assert counters()["bytes_d2h"] == 0
    card.d2h(memoryview(there).cast("B"), taken.address)
    card.sync()
    np.testing.assert_allclose(there, np.exp(VALUE).cumsum(0).cumsum(0), rtol=1e-5)


def test_the_other_package_gets_our_stream(session, array, card):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [2, 3])
        y = x * 2
    feed = Capsules(array)
    session.run(y, {x: feed})
    assert feed.streams == [card.streams.compute.handle]


def test_a_stream_of_the_interface_is_waited_for(session, array, card, counters):
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [2, 3])
        y = x * 2
    session.run(y, {x: array})
    with card.context:
        stream = card.driver.Stream()
        counters()
        session.run(y, {x: Interface(array, stream=stream.handle)})
        assert counters()["synchronizations"] == 3           # the array's own, this stream, the run's end
        del stream


def test_a_feed_on_a_card_that_the_host_reads(session, array):
    x = tf.placeholder(tf.float32, [2, 3])
    with tf.device("/gpu:0"):
        y = tf.exp(x)
    z = tf.py_func(lambda a: a.sum(), [x], tf.float32)
    got = session.run([x, y, z], {x: array})
    np.testing.assert_array_equal(got[0], VALUE)
    np.testing.assert_allclose(got[1], np.exp(VALUE), rtol=1e-6)
    assert got[2] == 15


def test_a_variable_takes_an_array(session, variable, array, counters):
    with tf.device("/gpu:0"):
        other = tf.Variable(tf.zeros([2, 3]))
    other.load(array, session)
    counters()
    other.load(array, session)
    assert counters()["bytes_h2d"] == counters()["bytes_d2h"] == 0
    np.testing.assert_array_equal(session.run(other), VALUE)


def test_two_cards(session, array):
    from thalweg import devices
    if devices.find_device("CUDA", 1)[0] is None:
        pytest.skip("there is one GPU; this wants two")
    with tf.device("/gpu:1"):
        x = tf.placeholder(tf.float32, [2, 3])
        y = x + 1
    for _ in range(3):
        np.testing.assert_array_equal(session.run(y, {x: array}), VALUE + 1)


def test_memory_stays_as_long_as_somebody_has_it(card):
    def export():
        with tf.Graph().as_default(), tf.device("/gpu:0"), tf.Session() as session:
            v = tf.Variable(VALUE)
            session.run(v.initializer)
            return thalweg_cuda.variable_array(session, v).__dlpack__()
    capsule = export()
    gc.collect()
    for _ in range(5):
        card.h2d(card.alloc(24), memoryview(np.full(6, 99, np.float32)).cast("B"))
    taken, there = dlpack.Taken(capsule), np.empty((2, 3), np.float32)
    card.d2h(memoryview(there).cast("B"), taken.address)
    card.sync()
    np.testing.assert_array_equal(there, VALUE)


def test_a_consumer_that_refuses_the_array_says_so_itself_and_frees_it(session, variable):
    array = thalweg_cuda.variable_array(session, variable)
    alive = weakref.ref(array)
    with pytest.raises(RuntimeError, match="nsupported device"):
        np.from_dlpack(array)                            # drops the capsule while its exception is pending
    capsule = array.__dlpack__()
    del array
    gc.collect()
    assert alive() is not None
    del capsule                                          # which nobody has taken
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("name", ["bool", "int8", "float16", "bfloat16", "int32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_what_a_capsule_says(name, shape):
    dtype, owner = tf.as_dtype(name), {"anything"}
    alive = weakref.ref(owner)
    taken = dlpack.Taken(dlpack.capsule(1 << 40, shape, dtype, 3, owner))        # an address that nobody may touch
    assert (taken.address, taken.shape, taken.is_dense) == (1 << 40, shape, True)
    assert (taken.device_type, taken.ordinal, taken.code, taken.bits) == (dlpack.CUDA, 3, *dlpack.code_of(dtype))
    del owner
    gc.collect()
    assert alive() is not None
    del taken
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("changes, error, text", [
    ({"strides": (4, 8)}, ValueError, "the array is not dense and row-major: make it so first, in torch by .contig"),
    ({"typestr": "<f8"}, TypeError, "Cannot feed Tensor 'Placeholder:0' of dtype float32 with an array of float64 on "
                                    "/device:CUDA:0.*convert it to float32 there first"),
    ({"shape": (6,)}, ValueError, r"Cannot feed value of shape \(6,\) for Tensor 'Placeholder:0'")], ids=str)
def test_feeds_that_do_not_fit(session, array, changes, error, text):
    x = tf.placeholder(tf.float32, [2, 3])
    with pytest.raises(error, match="(?s)" + text):
        session.run(x * 2, {x: Interface(array, **changes)})


def test_what_the_array_protocols_refuse(array):
    with pytest.raises(BufferError, match="a copy was asked for"):
        array.__dlpack__(copy=True)
    with pytest.raises(BufferError, match=r"the array lies on DLPack's device \(2, 0\), not on \(1, 0\)"):
        array.__dlpack__(dl_device=(1, 0))
    capsule = array.__dlpack__()
    dlpack.Taken(capsule)
    with pytest.raises(ValueError, match="it has been consumed before"):
        dlpack.Taken(capsule)


def test_variables_without_an_array(session):
    with tf.device("/cpu:0"):
        v = tf.Variable(1.0, name="here")
    with pytest.raises(tf.errors.FailedPreconditionError, match="Variable here has no value in this session"):
        thalweg_cuda.variable_array(session, v)
    session.run(v.initializer)
    with pytest.raises(ValueError, match="Variable here lies on /device:CPU:0, not on a card"):
        thalweg_cuda.variable_array(session, v)


def test_what_is_no_variable_has_no_array(session, variable):
    for other in ("weights", variable + 1.0, None):
        with pytest.raises(TypeError, match="variable_array: got .*, expected a tf.Variable"):
            thalweg_cuda.variable_array(session, other)
    tensor = tf.get_default_graph().get_tensor_by_name("weights:0")
    assert thalweg_cuda.variable_array(session, tensor).shape == (2, 3)


def test_bfloat16(session, card):
    with tf.device("/gpu:0"):
        v = tf.Variable(tf.cast(tf.constant(VALUE), tf.bfloat16))
    session.run(v.initializer)
    array = thalweg_cuda.variable_array(session, v)
    taken = dlpack.Taken(array.__dlpack__())
    assert (taken.code, taken.bits) == (dlpack.BFLOAT16, 16)
    with pytest.raises(AttributeError, match="has no bfloat16: use DLPack"):
        array.__cuda_array_interface__
    x = tf.placeholder(tf.bfloat16, [2, 3])
    np.testing.assert_array_equal(session.run(tf.cast(x, tf.float32), {x: array}), VALUE)
