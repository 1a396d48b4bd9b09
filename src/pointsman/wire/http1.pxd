# Types for Cython: see hatch_build.py.
import cython

cdef class ChunkedBody:
    cdef bytes _buffer
    cdef bytearray _body
    cdef Py_ssize_t _limit, _need
    cdef str _state
    cdef public Py_ssize_t size
    cpdef feed(self, bytes data)
    cdef _line_end(self, bytes buffer, Py_ssize_t at)
    cdef _start_chunk(self, bytes line)
    cdef _trailers_end(self, bytes buffer, Py_ssize_t at)

cdef dict _digits
cdef int _MOST_DIGITS
cpdef bytes status_line(int status)
@cython.locals(found=bytes)
cpdef bytes digits(size)
cpdef bytes chunk(bytes data)
