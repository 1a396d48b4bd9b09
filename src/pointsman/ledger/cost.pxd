# Types for Cython: see hatch_build.py.
import cython

cpdef tuple used_of(usage)

cdef class Bill:
    cdef str _model
    cdef object _prices
    cdef bint _free
    cdef Bill _reference
    cdef double _since, _until
    cdef Py_ssize_t _input, _output, _cached, _request, _most
    @cython.locals(cost=object, flag=object)
    cpdef tuple of(self, tuple used, double at)
    @cython.locals(read=Py_ssize_t, made=Py_ssize_t, cached=Py_ssize_t, pico=Py_ssize_t)
    cdef tuple _cost(self, tuple used, double at)
    cdef tuple _by_rate(self, tuple used, double at)
