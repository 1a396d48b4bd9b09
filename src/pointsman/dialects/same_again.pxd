# Types for Cython: see hatch_build.py.
import cython

cdef int _TEXT, _STRING, _NUMBER, _ZERO
cdef bytes _PLAIN
cdef bint _is_plain(bytes said)
cdef bint _is_sound(bytes said)
cdef bint _is_number(bytes said)

cdef class SameAgain:
    cdef bytes _after, _before, _probe, _tail
    cdef list _between
    cdef dict _values
    cdef tuple _free, _keys
    cdef public Py_ssize_t said
    cdef Py_ssize_t _left, _met
    cdef int _kind
    cpdef learn(self, bytes event, str text)
    cdef _keep(self, bytes event, Py_ssize_t begin, Py_ssize_t end)
    @cython.locals(before=Py_ssize_t, text=bytes)
    cpdef str text(self, bytes event)
    @cython.locals(
        before=bytes, after=bytes, to=Py_ssize_t, text=bytes, gap=list, kind=int, fixed=bytes, last=Py_ssize_t,
        stop=Py_ssize_t, said=bytes
    )
    cpdef bytes inside(self, bytes data, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(fixed=bytes, mark=bytes, stop=Py_ssize_t)
    cdef Py_ssize_t _stop(self, bytes data, Py_ssize_t at, Py_ssize_t to, list gap)
    cpdef forget(self)
