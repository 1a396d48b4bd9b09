# Types for Cython: see hatch_build.py.
import cython

cdef class Charge:
    cdef public object audio_input, audio_output, cache_long, cache_write, cached, image_input, image_output, input, output
    cdef public object reasoning, request, web_search
    cdef public bint lasting

cdef class Rate:
    cdef public double until
    cdef public object prices, spec
    cdef public dict regions
    cdef Charge _standard
    cdef list _above
    cdef dict _services
    cdef Py_ssize_t _least, _input, _output, _cached, _request
    @cython.locals(read=Py_ssize_t, made=Py_ssize_t, cached=Py_ssize_t)
    cpdef tuple charged(self, tuple used)

cdef class PriceBook:
    cdef public object specs
    cdef dict _kept
    cdef object _exact
    cdef list _open
    @cython.locals(kept=tuple)
    cpdef Rate rate(self, str model, double at)
