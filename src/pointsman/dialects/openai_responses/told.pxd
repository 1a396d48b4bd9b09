# Types for Cython: see hatch_build.py.

cdef class Told:
    cdef Py_ssize_t _size
    cdef object _sum
    cpdef add(self, str text)
    cpdef str rest(self, str whole)

cdef class OpenCall:
    cdef public object text
    cdef bint _free
    cdef Told _told
    cpdef add(self, str text)
    cpdef whole(self, str text)
