# Types for Cython: see hatch_build.py.
cdef class Budget:
    cdef object _buckets
    cdef Py_ssize_t _requests, _repeats, _floor
    cpdef requested(self, double now)
    cpdef bint spend(self, double now)
    cdef list _bucket(self, double now)
