# Types for Cython: see hatch_build.py.
import cython

@cython.locals(found=list, text="const unsigned char *", rows="const unsigned char *", last=Py_ssize_t, at=Py_ssize_t)
cpdef list looped(bytes data, bytes table)
