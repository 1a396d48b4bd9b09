# Types for Cython: see hatch_build.py.
import cython

from pointsman.dialects.part_writer cimport PartWriter as PartWriterType
from pointsman.dialects.seen cimport Seen as SeenType
from pointsman.translation.reasoning_store cimport KeptReasoning as KeptReasoningType
from pointsman.translation.sequence cimport Sequencer
from pointsman.wire.sse cimport EventSplitter

cdef class Stages:
    cdef object _adaptation, _calls, _kept, _request_id, _stops
    cdef Sequencer _sequencer
    cdef bint _calls_wait
    cpdef bint passes(self, Py_ssize_t part)
    cpdef add(self, event)
    cdef _told(self, call_id)

cdef class Translating:
    cdef object _mask, _owner, _writer
    cdef SeenType _reader
    cdef PartWriterType _parts
    cdef KeptReasoningType _kept
    cdef Stages _stages
    cdef EventSplitter _splitter
    cdef bint _stream, _over
    cdef public Py_ssize_t said
    cdef public list events
    cdef public object untold
    @cython.locals(reader=SeenType, splitter=EventSplitter, event=bytes, text=str, out=list)
    cpdef bytes take(self, bytes data)
    cdef bytes _shown(self, list out)
    cdef bint _more(self, Py_ssize_t part, str text, list out)
    cdef _too_large(self, list out)
    cdef _fail(self, detail, list out)
    cdef _pass(self, event, list out)
    cdef _tell(self, event, list out)
    cdef _last_facts(self, list out)
    cpdef bytes end(self)
