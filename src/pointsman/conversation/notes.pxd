# Types for Cython: see hatch_build.py.
cdef class Notes:
    cdef public object strict
    cdef public list warnings
    cdef object _names
    cpdef note(self, code, path, why)
    cpdef path(self, path)
    cpdef inside(self, value, field, path=*)

cdef class LossRecorder(Notes):
    cdef public list told
