# Types for Cython: see hatch_build.py.
import cython

from pointsman.gateway.client.server cimport ClientConnection
from pointsman.gateway.lane.facts cimport Asker, Track
from pointsman.gateway.lane.lane cimport Lane
from pointsman.resilience.board cimport TargetState
from pointsman.upstream.connection cimport UpstreamConnection

@cython.locals(
    asker=Asker, track=Track, conn=UpstreamConnection, lane=Lane, state=TargetState, stream=bint, hide_usage=bint,
    begins=Py_ssize_t, ends=Py_ssize_t, marks=long, sent=bytes
)
cpdef Lane begin(handler, ClientConnection client, head, bytes body)
cdef Asker _asker(head, plane, rules)
cdef Track _track(plane, rules, model, Asker asker)
cdef TargetState _open(plane, Track track)
