# Types for Cython: see hatch_build.py.
import cython

cpdef neutral_usage(value)
@cython.locals(prompt=object, made=object)
cdef _common(dict value)
