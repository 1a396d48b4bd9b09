# Types for Cython: see hatch_build.py.
import cython

from pointsman.dialects.whole_again cimport WholeAgain as WholeAgainType
from pointsman.ledger.cost cimport Bill
from pointsman.wire.http1 cimport digits
from pointsman.ledger.counters cimport Cell, Histogram
from pointsman.resilience.admission cimport Places
from pointsman.resilience.board cimport BackendState
from pointsman.upstream.pool cimport Shelf

cdef class Asker:
    cdef object _prefix_of
    cdef object _prefix
    cdef bytes _prefix_to
    cdef public object bounds, caller, client, key_id, path, protocol, remembered, revision, route, rules, seen, session
    cdef public Track track
    cdef public str model
    cdef public Py_ssize_t version
    cdef public tuple words
    cdef tuple _begins
    cdef public long read, refers
    cdef public bint traced, limited, ends
    cdef public double until
    cpdef bytes upstream_head(self, head, backend, Py_ssize_t size)
    cpdef across_head(self, head, backend, bytes path, Py_ssize_t size)
    cpdef forget(self, head)
    cdef _keep_prefix(self, backend, bytes path, tuple block)
    @cython.locals(pieces=list, found=bytes, begins=bytes)
    cdef bytes _varying(self, head)

cdef class Track:
    cdef public object account, backend, label, mapping_id, named, plan, target, usage
    cdef public Cell ok
    cdef public Histogram overhead
    cdef public tuple pair, unable
    cdef public Py_ssize_t most
    cdef public bytes about, probe
    cdef public Bill bill
    cdef public WholeAgainType again
    cdef public bint crosses, limited, local
    cdef public double quiet, between, total, total_whole, hold
    cdef public BackendState health
    cdef public Places places
    cdef public Shelf shelf
