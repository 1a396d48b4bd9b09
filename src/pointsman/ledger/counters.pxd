# Types for Cython: see hatch_build.py.
import cython

cdef class Cell:
    cdef public Py_ssize_t n

cdef class Tokens:
    cdef public object input, output, cached, reasoning
    cpdef add(self, read, written, cached, reasoning)

cdef class Counters:
    cdef dict _cells, _tokens
    cpdef Cell cell(self, tuple what)
    @cython.locals(cell=Cell)
    cpdef count(self, tuple what)
    cpdef Tokens tokens_of(self, str backend)
    cpdef tokens(self, record)
