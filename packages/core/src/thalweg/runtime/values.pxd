"""The values of a run as Python steps see them."""
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame

cdef array_of(BoundPlan bound, Frame frame, int index)
cdef store(BoundPlan bound, Frame frame, value, result)
