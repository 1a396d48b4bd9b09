# Types for Cython: see hatch_build.py.
import cython

cpdef neutral_usage(value)
@cython.locals(prompt=object, made=object, total=object, members=Py_ssize_t, read=dict, thought=dict)
cpdef common_usage(dict value)
cpdef common_sums(prompt, made, total, cached, reasoning)
cdef _apart(asked, made)
