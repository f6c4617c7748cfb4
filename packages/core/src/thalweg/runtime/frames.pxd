"""Making a frame for a plan's runs, and what it needs anew."""
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame

cdef Frame new_frame(BoundPlan bound)
cdef draw(BoundPlan bound, Frame frame)
cdef refresh(BoundPlan bound, Frame frame)
