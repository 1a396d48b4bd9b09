# Types for Cython: see hatch_build.py.
cdef class Seen:
    cdef public bint output, refused, finished, ended, concluded, reason_due
    cdef public object stop, error, usage, answer_id, keep, halves
    cdef public str stop_word
    cdef public list arguments
    cdef public Py_ssize_t malformed
    cpdef _nothing_yet(self)
    cpdef bint whole(self, bytes body)
    cpdef end(self)
    cpdef bint call_cut(self)
    cpdef bint end_unexplained(self)
    cpdef conclude(self, str public)
