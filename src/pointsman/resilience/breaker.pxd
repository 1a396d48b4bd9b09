# Types for Cython: see hatch_build.py.
cdef class Breaker:
    cdef public object state
    cdef public double until
    cdef public Py_ssize_t _row, _trips
    cdef public object _buckets
    cpdef bint quiet(self)
    cpdef bint allows(self, double now)
    cpdef bint begin(self, double now)
    cpdef succeeded(self, double now, bint probe)
    cpdef judged(self, double now, bint alive, double chance)
    cpdef forgotten(self, double now, bint probe)
    cdef _open(self, double now, double chance)
    cdef _count(self, double now, int failed)
    cdef bint _too_many(self, double now)
