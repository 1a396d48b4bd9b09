# Types for Cython: see hatch_build.py.
import cython

cdef class UpstreamConnection:
    cdef object __weakref__
    cdef object _closed, _parser, _sink, _raw, _length
    cdef public object _transport
    cdef list _headers, _parts
    cdef Py_ssize_t _header_bytes, _status, _interim, _fruitless, _sent
    cdef bint _head_given, _complete, _keep, _received, _until_close, _no_body, _head_complete
    cdef public bint peer_local
    cdef public double created, idle_since
    cdef _reset(self)
    cpdef data_received(self, bytes data)
    cdef _framed(self, bytes data)
    cdef _parse(self, bytes data)
    cpdef Py_ssize_t send_plain(self, data, bytes body, raw) except -1
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _write(self, data, bytes body) except -1
    cpdef bint is_free(self)
    cpdef answered(self, bint keep)
    cpdef pause(self)
    cpdef resume(self)
    cpdef close(self)
    cpdef drain(self)
    cdef _deliver(self)
    cdef _over(self, bint keep)
    cdef bint _unread(self)
    cdef _give_head(self, sink)
    cdef _fail(self, reason, detail)
