# Types for Cython: see hatch_build.py.
cdef class Moves:
    cdef object _table
    cdef public str at
    cpdef to(self, str frame)
    cpdef again(self, str frame)

cdef class PartWriter:
    cdef public object _answering, _finish, _usage
    cdef public Moves _moves
    cpdef bytes write(self, event)
    cpdef bytes _begin(self, event)
    cpdef bytes _start(self, event)
    cpdef bytes more(self, str text)
    cpdef bytes _cite(self, event)
    cpdef bytes _end(self, event)
    cpdef bytes _close(self)
