# Types for Cython: see hatch_build.py.
import cython

from pointsman.ledger.counters cimport Counters
from pointsman.resilience.board cimport Board
from pointsman.resilience.budget cimport Budget
from pointsman.upstream.pool cimport Pool

cdef class DataPlane:
    cdef object __weakref__
    cdef public object worker, workers, limits, guard, control, _practice_path, runtime_dir, rules, lists, provider_lists
    cdef public object engines, facts, elsewhere, running, reasoning, responses, holders, find_answer, alone
    cdef public object siblings, starting, dialects, joining, cashier, conversations, prompts, kept, placeholders
    cdef public object probes, record, turns, usage_dropped, unpacked, labels, tally, flush, trace, captured, shadows, shared, tell_shadowed
    cdef public Pool pool
    cdef public Board board
    cdef public Budget budget
    cdef public Counters counters
    cdef public set ticking, serving
    cdef public Py_ssize_t jobs
    cdef public bint draining
    cdef str _id_prefix, _id_begins
    cdef Py_ssize_t _id_count
    @cython.locals(last=Py_ssize_t)
    cpdef str next_id(self)
