# Types for Cython: see hatch_build.py.
import cython

from pointsman.gateway.attempt.judge cimport Judge
from pointsman.gateway.attempt.meaning cimport meaning
from pointsman.gateway.client.server cimport ClientConnection
from pointsman.gateway.data_plane cimport DataPlane
from pointsman.gateway.lane.facts cimport Asker, Track
from pointsman.gateway.lane.lane cimport Lane
from pointsman.resilience.board cimport TargetState
from pointsman.translation.crossing cimport Crossing
from pointsman.upstream.connection cimport UpstreamConnection
from pointsman.wire.chunks cimport chunk_at

@cython.locals(lane=AcrossLane, conn=UpstreamConnection)
cpdef Lane begin_across(
    handler, Asker asker, Track track, TargetState state, ClientConnection client, head, bytes body, str model, bint stream
)

cdef class AcrossLane(Lane):
    @cython.locals(asker=Asker, track=Track)
    cpdef bint translate(self) except -1
    cdef _leave(self, UpstreamConnection conn)
    @cython.locals(judge=Judge, conn=UpstreamConnection, body=bytes, codec=Crossing)
    cdef _whole(self, bytes raw, Py_ssize_t size, bytes lines, bint keep)
    cdef _relay(self, bytes lines)
    @cython.locals(at=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t)
    cdef _chunks(self, bytes data)
    cdef bytes _shown(self, bytes data)
    cdef _settle(self, tuple used, tuple charged, bint aborted=*)
