# Types for Cython: see hatch_build.py.
import cython

from pointsman.dialects.counts cimport Counts, number

cpdef common_sums(asked, made, read, written, hour)

cdef class Counted:
    cdef dict _told
    cpdef add(self, dict report)
    @cython.locals(told=Counts, words=dict)
    cpdef neutral(self)
    @cython.locals(words=dict)
    cdef _common(self)
    @cython.locals(inner=Counts)
    cdef _inner(self, str name, str inside)
