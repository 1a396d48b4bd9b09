# Types for Cython: see hatch_build.py.
from pointsman.translation.sequence cimport Sequencer
from pointsman.wire.sse cimport EventSplitter

cdef class Stages:
    cdef object _adaptation, _calls, _kept, _request_id, _stops
    cdef Sequencer _sequencer
    cpdef live(self, event)
    cpdef add(self, event)
    cdef _told(self, call_id)

cdef class Translating:
    cdef object _owner, _reader, _writer
    cdef Stages _stages
    cdef EventSplitter _splitter
    cdef bint _stream, _over
    cdef public Py_ssize_t said
    cdef public list events
    cdef public object untold
    cpdef bytes take(self, bytes data)
    cdef _too_large(self, list out)
    cdef _fail(self, detail, list out)
    cdef _pass(self, event, list out)
    cdef _tell(self, event, list out)
    cdef _last_facts(self, list out)
    cpdef bytes end(self)
