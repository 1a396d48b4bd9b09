# Types for Cython: see hatch_build.py.
import cython

cdef class HeadMemory:
    cdef object _head
    cdef list _literals, _names, _last, _places
    cdef dict _by_name
    cdef public Py_ssize_t end
    @cython.locals(
        at=Py_ssize_t, end=Py_ssize_t, place=Py_ssize_t, literal=bytes, last=bytes, values=list, lasts=list, literals=list
    )
    cpdef recall(self, bytes raw)
    @cython.locals(value=bytes, at=Py_ssize_t, lasts=list, varies=bint)
    cdef _changed(self, head, list values)
