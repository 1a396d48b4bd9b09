# Types for Cython: see hatch_build.py.
cdef class EventSplitter:
    cdef public list _pending
    cdef Py_ssize_t _size, _shorten_at
    cdef bint _short, _shortened, _cr, _overflow
    cdef public Py_ssize_t cut, abridged
    cpdef list feed(self, bytes data)
    cdef list _more(self, bytes data)
    cpdef bytes finish(self)
    cdef _forget(self)
    cdef bytes _bounded(self, bytes event)
    cdef list _end_of_long_one(self, bytes data)
    cdef _keep(self, bytes data)

cpdef bytes shortened(bytes event)
cdef bytes _unpadded(bytes event)
cpdef bytes data_of(bytes event)
cpdef bytes name_of(bytes event)
