"""Where a run finds what it is fed, and puts what it gives to others: fetches, and what variables take."""
cimport numpy as cnp

from thalweg.runtime.arrays cimport new_array
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame
from thalweg.runtime.memory cimport aligned_array
from thalweg.runtime.steps cimport FEED, MOVE, CStep, are_peers

from thalweg.framework import shapes

from .remote_array import RemoteArray

cnp.import_array()


cdef set_feeds_and_fetches(BoundPlan bound, Frame frame, list feeds):
    """Points the operands of steps at the arrays that are fed, and at new ones for what is fetched."""
    cdef void* data
    cdef Py_ssize_t i
    frame.feeds = feeds
    if frame.remote_feeds is not None:
        _forget_remote_feeds(bound, frame)
    for i in range(len(bound.patch_feeds)):
        if type(feeds[i]) is RemoteArray:
            _take_remote_feed(bound, frame, i)
        elif bound.patch_feeds[i]:
            data = cnp.PyArray_DATA(feeds[i])
            for k in <list>bound.patch_feeds[i]:
                frame.operands[<int>k].data = data
    frame.objects = [None] * bound.n_objects if bound.n_objects else None
    frame.fetched = [None] * len(bound.fetch_shapes)
    for i in range(len(bound.fetch_shapes)):
        if bound.fetch_shapes[i] is not None:
            frame.fetched[i] = array = _new_fetch(bound, i)
            data = cnp.PyArray_DATA(array)
            for k in <list>bound.patch_fetches[i]:
                frame.operands[<int>k].data = data
    if bound.patch_given:
        _give_arrays(bound, frame)


cdef _take_remote_feed(BoundPlan bound, Frame frame, Py_ssize_t i):
    """A feed that lies on a device: steps that copy it to a device take it from there, others the host's copy."""
    cdef CStep* step
    feed, positions = frame.feeds[i], _copies_of_feed(bound, i)
    if positions is None:
        frame.feeds[i] = feed.to_host()
        for k in <list>bound.patch_feeds[i]:
            frame.operands[<int>k].data = cnp.PyArray_DATA(frame.feeds[i])
        return
    if frame.remote_feeds is None:
        frame.remote_feeds = []
    frame.remote_feeds.append(i)
    for position in positions:
        step = &frame.steps[<int>position]
        step.ins[0].data = <void*><size_t>feed.address
        step.origin = bound._end(feed.device)
        step.is_peer = are_peers(feed.device, bound.plan.placement.device_of(bound.plan.steps[position].node))


cdef _forget_remote_feeds(BoundPlan bound, Frame frame):
    for i in frame.remote_feeds:
        for position in _copies_of_feed(bound, i):
            frame.steps[<int>position].origin = NULL
    frame.remote_feeds = None


cdef _copies_of_feed(BoundPlan bound, Py_ssize_t i):
    """Positions of the steps that copy a feed to a device; None where the host reads it, too."""
    if i not in bound.copies_of_feeds:
        bound.copies_of_feeds[i] = _find_copies(bound, i)
    return bound.copies_of_feeds[i]


cdef _find_copies(BoundPlan bound, Py_ssize_t i):
    positions = []
    for position, planned in enumerate(bound.plan.steps):
        if not any([v.storage.kind == FEED and v.storage.payload == i for v in planned.inputs]):
            continue
        if bound.steps[<int>position].kind != MOVE or bound.steps[<int>position].target == NULL:
            return None
        positions.append(position)
    return positions


cdef _new_fetch(BoundPlan bound, Py_ssize_t i):
    """An array for the value of fetch `i`, which becomes the caller's."""
    try:
        return new_array(bound.fetch_shapes[i], bound.fetch_dtypes[i])
    except MemoryError as error:
        from .exhausted import value_too_large
        value = bound.plan.fetches[i]
        raise value_too_large(value, shapes.size_of(value.shape) * value.dtype.size, "a fetch", error) from error


cdef _give_arrays(BoundPlan bound, Frame frame):
    """Memory for what assignments leave to their variables."""
    cdef void* data
    frame.given = []
    for node, operands in zip(bound.plan.given, bound.patch_given):
        value = node.inputs[1]
        try:
            array = aligned_array(value.shape, value.dtype.np)
        except MemoryError as error:
            from .exhausted import value_too_large
            nbytes = shapes.size_of(value.shape) * value.dtype.size
            raise value_too_large(value, nbytes, "a variable", error) from error
        frame.given.append(array)
        data = cnp.PyArray_DATA(array)
        for k in operands:
            frame.operands[<int>k].data = data
