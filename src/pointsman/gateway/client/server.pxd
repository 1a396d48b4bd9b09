# Types for Cython: see hatch_build.py.
import cython

from pointsman.gateway.client.head_memory cimport HeadMemory
from pointsman.wire.http1 cimport digits

cdef class ClientConnection:
    cdef object __weakref__
    cdef object _limits, _handler, _refuse, _on_lost, _task, _waiting_since
    cdef public object _transport
    cdef bytes _buffer
    cdef Py_ssize_t _state, _served, _got
    cdef list _pieces
    cdef HeadMemory _memory
    cdef bint _refused, _stopped, _chunked_answer
    cdef double _deadline, _body_began, _idle_seconds
    cdef public Py_ssize_t need
    cdef public object chunks, head, on_writable
    cdef public bint closing, started
    cpdef data_received(self, bytes data)
    @cython.locals(buffer=bytes, end=Py_ssize_t, raw=bytes, memory=HeadMemory)
    cdef _advance(self)
    cdef _incomplete(self, bytes buffer)
    cdef _begin(self, head, bytes rest)
    cdef _take_sized(self, bytes data)
    cdef _take_chunked(self, bytes data)
    cdef _complete(self, bytes body, bytes rest)
    cdef _bad(self, error, head=*)
    cpdef send(self, int status, bytes lines, bytes body)
    cpdef start(self, int status, bytes lines, length, bytes first=*)
    cpdef write(self, bytes data)
    cpdef pass_chunks(self, bytes chunks)
    cpdef adopt(self, answer)
    cpdef finish(self)
    cpdef abort(self)
    cpdef close_when_idle(self)
    cdef bytes _connection_line(self)
    cdef _write(self, bytes data)
    cdef _done(self)
    cdef _close(self)
    cdef bint _deadline_is_idle(self)
    cpdef tick(self, double now)
    cdef bint _trickles(self, double now)
