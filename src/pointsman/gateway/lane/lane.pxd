# Types for Cython: see hatch_build.py.
import cython

from pointsman.gateway.attempt.judge cimport Judge
from pointsman.gateway.attempt.relay cimport Passing
from pointsman.gateway.client.server cimport ClientConnection
from pointsman.gateway.lane.facts cimport Track
from pointsman.gateway.lane.state cimport Underway
from pointsman.upstream.connection cimport UpstreamConnection
from pointsman.wire.chunks cimport chunk_at

cdef class Lane(Underway):
    cdef public object opening
    cdef public bint kept
    cpdef begin(self)
    @cython.locals(raw=bytes, size=Py_ssize_t, length=Py_ssize_t, flags=int, came=Py_ssize_t)
    cpdef arrived(self, bytes data)
    cdef _read_in_full(self)
    cdef _whole(self, bytes body, bytes lines, bint keep)
    @cython.locals(begin=Py_ssize_t, end=Py_ssize_t)
    cdef _begin_stream(self, bytes raw, Py_ssize_t size, bytes lines)
    @cython.locals(at=Py_ssize_t, since=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t)
    cdef _chunks(self, bytes data)
    cdef _piece(self, bytes payload)
    cdef _end_of_body(self)
    cdef _end_stream(self)
    cdef _commit(self)
    cdef _drain(self)
    cdef bytes _own_lines(self)
    cdef _claim(self, double now)
    cdef _settle(self, usage, bint aborted=*)
    cpdef general(self)
