"""Where a run finds what it is fed, and puts what it gives to others."""
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame

cdef set_feeds_and_fetches(BoundPlan bound, Frame frame, list feeds)
