# Types for Cython: see hatch_build.py.
import cython

from pointsman.dialects.same_again cimport SameAgain as SameAgainType

cdef class Seen:
    cdef public bint output, refused, finished, ended, concluded, reason_due
    cdef public object stop, error, usage, answer_id, keep, halves
    cdef public str stop_word
    cdef public list arguments
    cdef public Py_ssize_t given, malformed, part
    cdef public SameAgainType again
    cdef public object hears
    cdef public str heard_in
    @cython.locals(again=SameAgainType, text=str)
    cpdef str more(self, bytes event)
    cpdef _nothing_yet(self)
    cpdef bint whole(self, bytes body)
    cpdef str whole_text(self, bytes body)
    cpdef end(self)
    cpdef bint call_cut(self)
    cpdef bint end_unexplained(self)
    cpdef conclude(self, str public)
