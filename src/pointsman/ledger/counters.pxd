# Types for Cython: see hatch_build.py.
import cython

cdef class Cell:
    cdef public Py_ssize_t n

cdef class Histogram:
    cdef tuple _bounds
    cdef list _counts, _fresh
    cdef double _sum
    cpdef observe(self, double value)
    cdef _fold(self)

cdef class Counters:
    cdef dict _cells, _histograms
    cpdef Cell cell(self, tuple what)
    @cython.locals(cell=Cell)
    cpdef count(self, tuple what)
    cpdef Histogram histogram(self, tuple what)
