# Types for Cython: see hatch_build.py.
cdef class Ticket:
    cdef public object caller, wake
    cdef public bint held

cdef class Places:
    cdef public Py_ssize_t limit, queue, in_use, queued
    cdef public object _waiting
    cpdef Ticket take(self, caller)
    cpdef bint claim(self)
    cpdef release(self)
    cpdef Ticket enter(self, caller, wake)
    cpdef leave(self, Ticket ticket)
    cpdef Py_ssize_t position(self, Ticket ticket)
    cpdef admit(self)
