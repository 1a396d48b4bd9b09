# Types for Cython: see hatch_build.py.
import cython

cdef bytes _VALUES
cdef Py_ssize_t _LONGEST, _MOST_DIGITS
cdef tuple _LINES

@cython.locals(size=Py_ssize_t, line=bytes)
cpdef Py_ssize_t one_chunk(bytes data)

@cython.locals(line=Py_ssize_t, size=Py_ssize_t, there=Py_ssize_t, last=Py_ssize_t, value=Py_ssize_t, end=Py_ssize_t)
cpdef (Py_ssize_t, Py_ssize_t) chunk_at(bytes data, Py_ssize_t at)
