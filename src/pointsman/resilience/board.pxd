# Types for Cython: see hatch_build.py.
from pointsman.resilience.admission cimport Places
from pointsman.resilience.breaker cimport Breaker

cdef class TargetState:
    cdef public Breaker breaker
    cdef public object account
    cdef public double throttled_until
    cdef public Py_ssize_t throttles
    cdef public object last_reason

cdef class BackendState:
    cdef public Places places
    cdef public bint down
    cdef public object benched
    cdef public Py_ssize_t in_flight
    cdef public object last_success, last_failure, last_reason

cdef class Try:
    cdef public BackendState backend
    cdef public TargetState target
    cdef public object account
    cdef public bint probe, own_login

cdef class Board:
    cdef public object _clock, _chance
    cdef public Py_ssize_t _limit, _queue
    cdef public dict backends, targets
    cpdef BackendState backend(self, str key)
    cpdef TargetState target(self, str key, str model)
    cpdef closed(self, str key, str model, account)
    cpdef succeeded(self, Try one)
    cpdef answered(self, BackendState backend, TargetState target, account, double now, bint probe=*)
    cpdef forgotten(self, Try one)
    cdef _throttled(self, Try one, held, double now)
    cdef _forget_some(self)
