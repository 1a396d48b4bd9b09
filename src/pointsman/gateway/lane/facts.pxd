# Types for Cython: see hatch_build.py.
from pointsman.resilience.admission cimport Places
from pointsman.resilience.board cimport BackendState

cdef class Asker:
    cdef object _head, _prefix_of
    cdef object _prefix
    cdef public object caller, path, protocol, route, rules
    cdef public tuple words
    cdef public long straight, option
    cpdef upstream_head(self, backend, Py_ssize_t size)
    cdef bytes _varying(self)

cdef class Track:
    cdef public object backend, gone, label, mapping_id, named, ok, pair, plan, served, target, usage
    cdef public bytes about
    cdef public double quiet
    cdef public BackendState health
    cdef public Places places
