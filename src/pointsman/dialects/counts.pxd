# Types for Cython: see hatch_build.py.
cdef class Counts:
    cdef dict _value
    cpdef one(self, str name)

cpdef number(value)
