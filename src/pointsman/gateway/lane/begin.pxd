# Types for Cython: see hatch_build.py.
import cython

from pointsman.gateway.client.server cimport ClientConnection
from pointsman.gateway.data_plane cimport DataPlane
from pointsman.gateway.lane.across cimport begin_across
from pointsman.gateway.lane.facts cimport Asker, Track
from pointsman.gateway.lane.lane cimport Lane
from pointsman.resilience.board cimport BackendState, TargetState
from pointsman.upstream.connection cimport UpstreamConnection

@cython.locals(
    asker=Asker, track=Track, conn=UpstreamConnection, lane=Lane, state=TargetState, stream=bint, hide_usage=bint,
    begins=Py_ssize_t, ends=Py_ssize_t, marks=long, sent=bytes, plane=DataPlane, limited=bint, version=Py_ssize_t
)
cpdef Lane begin(handler, ClientConnection client, head, bytes body)
cdef Asker _asker(head, DataPlane plane, rules)
cdef bint _fits(Track track, bytes body)
cdef _taken(DataPlane plane, rules, Asker asker, Track track, bytes body)
cdef _made(Asker asker, Track track, bytes body, str model, bint stream)
cdef Track _track(DataPlane plane, rules, tuple key, Asker asker)
cdef Track _found_before(DataPlane plane, rules, tuple key)
@cython.locals(health=BackendState)
cdef TargetState _open(DataPlane plane, Track track, Asker asker)
