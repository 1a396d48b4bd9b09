# Types for Cython: see hatch_build.py.
cdef class Judge:
    cdef public double heard, quiet, between
    cdef public bint translated, collects, leaves
    cdef public object state, reason, detail
    cdef bint _paused, _framed
    cpdef move(self, event)
    cdef _because(self, event, reason, detail)
    cpdef output(self, bint rival)
    cdef _late(self, double now, double deadline, double seconds)
