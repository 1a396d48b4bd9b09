# Types for Cython: see hatch_build.py.
from pointsman.dialects.openai_usage cimport common_sums, common_usage, neutral_usage
from pointsman.dialects.seen cimport Seen

cdef bint _begins_a_word(str content)

cdef class ChatSeen(Seen):
    cdef public object _begun, _others, calls, matched
    cdef public bint _called, _in_delta, _said_no
    cdef public bytes _data
    cdef public str _finish, unread
    cdef public Py_ssize_t _index
    cdef public dict unknown
    cpdef event(self, bytes event)
    cpdef bint whole(self, bytes body)
    cpdef end(self)
    cpdef whole_frame(self, bytes body)
    cpdef str whole_text(self, bytes body)
    cpdef str text_alone(self, frame)
    cpdef see(self, frame)
    cpdef bint answers(self, choice)
    cdef _count(self, usage)
    cdef _delta(self, delta, other)
    cdef _calls_of(self, delta, other)
    cdef _first_output(self, delta)
    cdef _finished(self, str reason, matched)
    cdef _end_told(self)
    cdef _unread_failure(self)
    cdef _closed(self)
    cdef _class(self)
