# Types for Cython: see hatch_build.py.
cdef class Counters:
    cdef dict _counts, _tokens
    cpdef count(self, tuple what)
    cpdef tokens(self, record)
