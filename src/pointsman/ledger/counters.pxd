# Types for Cython: see hatch_build.py.
import cython

cdef class Cell:
    cdef public Py_ssize_t n

cdef class Histogram:
    cdef tuple _bounds
    cdef list _counts
    cdef double _sum
    @cython.locals(place=Py_ssize_t, bound=double)
    cpdef observe(self, double value)

cdef class Counters:
    cdef dict _cells, _histograms
    cpdef Cell cell(self, tuple what)
    @cython.locals(cell=Cell)
    cpdef count(self, tuple what)
    cpdef Histogram histogram(self, tuple what)
