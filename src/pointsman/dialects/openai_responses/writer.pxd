# Types for Cython: see hatch_build.py.
from pointsman.dialects.part_writer cimport PartWriter
from pointsman.wire.http1 cimport digits

cdef class ResponsesWriter(PartWriter):
    cdef Py_ssize_t _number
    cdef list _annotations, _cited, _output, _text
    cdef dict _client_tools, _item
    cdef object _client_tool, _part
    cdef bint _silent
    cdef str _delta
    cdef tuple _around
    cpdef dict whole(self, reply)
    cdef bytes _frame(self, str kind, dict more)
    cdef dict _places(self)
    cdef dict _content_places(self)
    cdef _framed(self, str kind, dict places, bytes last=*)
    cdef bytes _piece(self, str text)
    cdef bytes _annotate(self, str text)
    cdef bytes _add_item(self, dict item)
    cdef bytes _close_item(self)
    cdef str _status(self)
    cdef bytes _item_done(self, dict item)
    cdef str _own_id(self, str prefix)
    cdef bytes _other(self, foreign)
    cdef bytes _say(self, str text)
    cdef bytes _start_call(self, event)
    cdef bytes _start_text(self, event)
    cdef dict _message(self)
    cdef dict _content(self, event, str text)
    cdef bytes _client_call(self, part, tool, str text)
    cdef bytes _end_call(self, part, dict item, str text)
    cdef bytes _end_reasoning(self, event, dict item, str text)
    cdef tuple _final(self)
