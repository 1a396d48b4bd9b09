# Types for Cython: see hatch_build.py.
from pointsman.dialects.same_again cimport SameAgain as SameAgainType
from pointsman.wire.sse cimport EventSplitter

cdef class Passing:
    cdef public object dialect, seen, mask, untold
    cdef public bint complete, matched
    cdef Py_ssize_t _said
    cdef EventSplitter _splitter
    cdef bytes _tail, _probe
    cdef bint _in_event
    cdef public SameAgainType same
    cpdef bytes take(self, bytes data)
    cdef bint _has_key(self, bytes passed)
    cdef bytes _shown(self, bytes passed)
    cdef bytes _what_stood_before(self, bytes bad, list events, bytes passed, bint inside)
    cdef bytes _last_bytes(self, bytes rest)
    cpdef bytes end(self)

cdef class WithoutUsage(Passing):
    cdef object is_extra
    cpdef bytes take(self, bytes data)
    cdef bint _extra(self, bytes raw)
    cdef bytes _last_bytes(self, bytes rest)
