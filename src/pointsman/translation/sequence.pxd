# Types for Cython: see hatch_build.py.
cdef class Sequencer:
    cdef public Py_ssize_t live
    cdef Py_ssize_t _out, _next
    cdef object _plain
    cdef dict _closed, _filling
    cdef list _waiting
    cpdef add(self, event)
    cdef _of_part(self, event)
    cdef _late(self, event)
    cdef list _start(self, event)
    cdef _open(self, event)
    cdef list _next_part(self)
    cdef list _close_all(self)
