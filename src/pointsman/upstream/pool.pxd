# Types for Cython: see hatch_build.py.
from pointsman.upstream.connection cimport UpstreamConnection

cdef class Pool:
    cdef object __weakref__
    cdef public object egress
    cdef dict _idle, _settled
    cpdef UpstreamConnection take(self, backend, bint local_only)
