# Types for Cython: see hatch_build.py.
from pointsman.dialects.anthropic_messages.usage cimport Counted, common_sums
from pointsman.dialects.seen cimport Seen

cdef class MessagesSeen(Seen):
    cdef public dict _texts, blocks
    cdef public bint called
    cdef public Counted counted
    cdef public object last
    cdef public int runs
    cpdef event(self, bytes event)
    cpdef str text_alone(self, frame)
    cpdef bint whole(self, bytes body)
    cpdef take_whole(self, bytes body)
    cpdef str whole_text(self, bytes body)
    cpdef see(self, frame)
    cdef _see_other(self, frame)
    cdef _message(self, message)
    cdef _told_why(self, delta)
    cdef _count(self, report)
    cdef _stray(self, index, wanted)
    cdef _block(self, index, dict start)
    cdef _stop(self, str reason)
    cdef _end(self)
