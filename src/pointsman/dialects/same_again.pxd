# Types for Cython: see hatch_build.py.
import cython

cdef bytes _PLAIN
cdef bint _is_plain(bytes said)
cpdef bint _is_sound(bytes said)

cdef class SameAgain:
    cdef bytes _after, _before
    cdef list _between, _last, _strings
    cdef tuple _free, _keys
    cdef public Py_ssize_t length
    cdef Py_ssize_t _begin, _end, _left, _text
    cpdef learn(self, bytes event, str text)
    cdef _keep(self, bytes event, Py_ssize_t begin, Py_ssize_t end)
    cpdef str text(self, bytes event)
    @cython.locals(said=bytes)
    cpdef bint inside(self, bytes data, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(before=bytes, after=bytes, to=Py_ssize_t)
    cdef bint _finds(self, bytes data, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(place=Py_ssize_t, fixed=bytes, mark=bytes, stop=Py_ssize_t)
    cdef bint _finds_several(self, bytes data, Py_ssize_t at, Py_ssize_t to)
    cdef bint _takes(self, Py_ssize_t place, bytes data, Py_ssize_t begin, Py_ssize_t end)
    cpdef forget(self)
