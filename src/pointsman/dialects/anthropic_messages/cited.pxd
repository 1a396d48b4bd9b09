# Types for Cython: see hatch_build.py.
cdef class CitedText:
    cdef public bint plain
    cdef Py_ssize_t _at, _until
    cdef bint _blank, _cut
    cdef str _held
    cdef list _now, _spans, _under
    cpdef told(self, Py_ssize_t size)
