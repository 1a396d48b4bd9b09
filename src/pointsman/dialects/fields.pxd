# Types for Cython: see hatch_build.py.
cdef class Fields:
    cdef public dict value
    cdef dict _left
    cdef str _key
    cdef Fields _parent
    cdef str _path
    cpdef at(self, key)
    cpdef any(self, key)
    cpdef text(self, key, default=*)
    cpdef maybe_text(self, key)
    cpdef need_text(self, key)
    cpdef integer(self, key, low=*, high=*)
    cpdef number(self, key, low=*, high=*)
    cpdef flag(self, key)
    cpdef choice(self, key, allowed)
    cpdef need_choice(self, key, allowed)
    cpdef list items(self, key)
    cpdef list objects(self, key)
    cpdef close(self, notes)

cdef _within(Fields fields, str key, value, low, high)
