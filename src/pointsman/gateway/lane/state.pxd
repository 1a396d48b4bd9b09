# Types for Cython: see hatch_build.py.
import cython

from pointsman.dialects.seen cimport Seen as SeenType
from pointsman.dialects.whole_again cimport WholeAgain
from pointsman.dialects.same_again cimport SameAgain as SameAgainType
from pointsman.gateway.attempt.judge cimport Judge
from pointsman.gateway.client.server cimport ClientConnection
from pointsman.gateway.data_plane cimport DataPlane
from pointsman.gateway.lane.facts cimport Asker, Track
from pointsman.resilience.board cimport TargetState
from pointsman.upstream.connection cimport UpstreamConnection

cdef class Underway:
    cdef public double start, wall, first_output, ours
    cdef public str id, model
    cdef public object handler, head, keep, note, opening, recalled, revise, taken
    cdef public str answer_id
    cdef public WholeAgain again
    cdef public DataPlane plane
    cdef public TargetState target_state
    cdef public ClientConnection client
    cdef public UpstreamConnection conn
    cdef public Asker asker
    cdef public Track track
    cdef public Judge judge
    cdef public object relay
    cdef public SameAgainType same
    cdef public tuple across, changed
    cdef public bytes asked, sent, head_bytes, lines
    cdef public bint stream, hide_usage, over, kept
    cdef public list held
    cdef public Py_ssize_t held_size, size, went
    cdef double _deadline, _next_ping
    cdef bytes _raw, _rest, _stalled
    @cython.locals(plane=DataPlane)
    cpdef take(
        self, handler, Asker asker, Track track, TargetState state, ClientConnection client, head, bytes asked, bytes sent,
        str model, bint stream, bint hide_usage, UpstreamConnection conn
    )
    cdef _nothing_yet(self)
    @cython.locals(asker=Asker, track=Track)
    cdef set_off(self)
    cdef begin(self)
    cpdef revise_by(self, revise)
    cpdef request(self)
    cdef SeenType _reading(self)
    cdef bytes _own_lines(self)
    @cython.locals(probe=bytes)
    cdef bint _odd(self, bytes body, bytes lines)
    cdef bytes _theirs(self, bytes lines)
