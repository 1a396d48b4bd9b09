# Types for Cython: see hatch_build.py.
import cython

cpdef neutral_usage(value)
@cython.locals(prompt=object, made=object, read=dict, thought=dict)
cdef _common(dict value)
cdef _apart(asked, made)
cdef bint _as_usual(dict read)
