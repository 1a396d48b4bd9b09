# Types for Cython: see hatch_build.py.
cdef class KeptReasoning:
    cdef object _store, _caller, _places, _open
    cdef list _call_ids, _text, _thoughts
    cpdef keep_event(self, event)
    cpdef keep_reply(self, reply)
