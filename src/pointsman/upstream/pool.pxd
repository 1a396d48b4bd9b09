# Types for Cython: see hatch_build.py.
import cython

from pointsman.upstream.connection cimport UpstreamConnection

cdef class Shelf:
    cdef public list idle
    cdef public object settled
    @cython.locals(conn=UpstreamConnection)
    cpdef UpstreamConnection take(self, bint local_only)
    cpdef settle(self, UpstreamConnection conn)

cdef class Pool:
    cdef object __weakref__
    cdef public object egress
    cdef dict _shelves
    cpdef Shelf shelf(self, backend)
    cpdef UpstreamConnection take(self, backend, bint local_only)
