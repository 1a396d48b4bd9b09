# Types for Cython: see hatch_build.py.
from pointsman.dialects.anthropic_messages.cited cimport CitedText as CitedTextType
from pointsman.dialects.part_writer cimport PartWriter

cdef class MessagesWriter(PartWriter):
    cdef object _kind, _shown
    cdef CitedTextType _text
    cdef bint _begun, _called, _cites, _free
    cdef str _frame, _held, _refused
    cdef bytes _prefix
    cdef Py_ssize_t _index
    cdef bytes _open(self, block)
    cdef bytes _open_text(self)
    cdef bytes _open_thinking(self)
    cdef bytes _piece(self, str text)
    cdef bytes _words(self, CitedTextType cited, str text)
    cdef bytes _release(self)
    cdef bytes _steps(self, steps)
    cdef bytes _own_delta(self, delta)
    cdef bytes _text_end(self, CitedTextType cited)
    cdef bytes _thinking_end(self, opaque)
    cdef bytes _stop_block(self)
    cdef bytes _whole(self, block)

cdef bytes _event(str name, dict data)
