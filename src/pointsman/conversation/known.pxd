# Types for Cython: see hatch_build.py.
cdef class KnownList(list):
    cdef public dict made
    cdef public bytes text
    cpdef once(self, key, make)

cpdef once_of(items, look)
