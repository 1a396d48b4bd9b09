# Types for Cython: see hatch_build.py.
cdef class Asked:
    cdef public object capsules, client, id, names, read_warnings, request, strict

cdef class Crossing:
    cdef public object body, counts, found_call, inside, mask, path, streamed, warnings
    cdef object _adaptation, _answering, _asked, _client, _notes, _parse_error, _profile, _reasoning, _upstream
    cdef _back(self, reply)
