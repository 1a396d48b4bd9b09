# Types for Cython: see hatch_build.py.
import cython

from pointsman.ledger.counters cimport Cell, Counters, Histogram

cdef class _Group:
    cdef public Histogram duration, first, speed
    cdef public Cell requests, rescued, cost, input, output, cached, reasoning
    cdef public str backend

cdef class Tally:
    cdef Counters _counters
    cdef object _labels
    cdef dict _groups
    @cython.locals(group=_Group, key=tuple, cost=Cell, saved=Cell)
    cpdef take(self, records)
    cdef _Group _new(self, tuple key)
    cdef _count_tokens(self, _Group group, record)
    cdef Cell _cell(self, _Group group, str kind)

@cython.locals(requests=Cell, rescued=Cell)
cdef _count_request(_Group group, record)
