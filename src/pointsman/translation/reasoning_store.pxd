# Types for Cython: see hatch_build.py.
cdef class KeptReasoning:
    cdef object _store, _caller, _open
    cdef Py_ssize_t _calls, _characters
    cdef bint _said, _thinks
    cdef list _call_ids, _text, _thoughts
    cpdef keep_event(self, event)
    cpdef keep_text(self, str text)
    cpdef keep_reply(self, reply)
