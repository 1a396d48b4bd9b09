# Types for Cython: see hatch_build.py.
from pointsman.dialects.part_writer cimport PartWriter

cdef class ChatWriter(PartWriter):
    cdef bytes _head
    cdef str _frame, _id
    cdef tuple _piece
    cdef object _kind
    cdef Py_ssize_t _annotations, _calls, _images, _length, _offset, _thoughts
    cdef bint _arguments, _refused
    cdef list _cited, _thought
    cdef bytes _chunk(self, str frame, delta)
    cdef _framed(self, part)
    cdef bytes _annotate(self)
    cdef bytes _other(self, foreign)
