# Types for Cython: see hatch_build.py.
from pointsman.dialects.openai_responses.told cimport OpenCall
from pointsman.dialects.openai_usage cimport common_sums, common_usage, neutral_usage
from pointsman.dialects.seen cimport Seen

cdef class ResponsesSeen(Seen):
    cdef public set _done
    cdef public dict _open_calls
    cdef public bytes _raw
    cdef public list _told_items, late
    cdef public bint called
    cdef public object response
    cdef public int runs, searched
    cpdef event(self, bytes event)
    cpdef str text_alone(self, frame)
    cpdef bint whole(self, bytes body)
    cpdef take_whole(self, bytes body)
    cpdef str whole_text(self, bytes body)
    cpdef end(self)
    cpdef see(self, frame)
    cdef _bare(self, frame, bytes data, bytes event)
    cdef _see_other(self, str kind, frame)
    cdef _delta(self, str kind, frame)
    cdef _repeated(self, str kind, frame)
    cdef _of_message(self, dict part)
    cdef _added(self, place, dict item)
    cdef _told(self, place, dict item)
    cdef _item(self, dict item, OpenCall call)
    cdef _about(self, response)
    cdef _charged(self, response)
    cdef _end(self, str status, response)
    cdef _late(self, list output)
    cdef _fail(self, error)
