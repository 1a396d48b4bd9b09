# Types for Cython: see hatch_build.py.
import cython

cdef int _TEXT, _STRING, _NUMBER, _COUNT, _ZERO, _DIGITS, _TRIES, _PATIENCE
cdef bytes _QUOTE
cdef str _string(bytes text)

cdef class WholeAgain:
    cdef object _alike, _counting, _reading, _told
    cdef Py_ssize_t _left, _missed
    cdef bytes _first, _kinds
    cdef list _behind, _counts
    cdef dict _values
    @cython.locals(
        first=bytes, behind=bytes, behinds=list, counts=list, begin=Py_ssize_t, at=Py_ssize_t, size=Py_ssize_t,
        place=Py_ssize_t, kind=int, counted=bint, digit=int, digits=Py_ssize_t, value=longlong
    )
    cpdef usage(self, bytes body)
    cpdef learn(self, bytes body, told)
    cdef bint _keep(self, bytes body, str said)
