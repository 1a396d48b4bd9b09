# Types for Cython: see hatch_build.py.
import cython

from pointsman.gateway.attempt.judge cimport Judge
from pointsman.dialects.same_again cimport SameAgain as SameAgainType
from pointsman.gateway.attempt.relay cimport Passing
from pointsman.gateway.client.server cimport ClientConnection
from pointsman.gateway.attempt.meaning cimport meaning
from pointsman.gateway.data_plane cimport DataPlane
from pointsman.gateway.lane.facts cimport Asker, Track
from pointsman.gateway.lane.accounted cimport Accounted
from pointsman.ledger.cost cimport used_of
from pointsman.dialects.seen cimport Seen
from pointsman.dialects.whole_again cimport WholeAgain
from pointsman.upstream.connection cimport UpstreamConnection
from pointsman.wire.chunks cimport chunk_at, one_chunk

cdef class Lane(Accounted):
    @cython.locals(plane=DataPlane, track=Track)
    cdef begin(self)
    cdef _leave(self, UpstreamConnection conn)
    @cython.locals(begin=Py_ssize_t, raw=bytes, size=Py_ssize_t, length=Py_ssize_t, flags=int, came=Py_ssize_t)
    cpdef arrived(self, bytes data)
    cdef _read_in_full(self)
    @cython.locals(
        seen=Seen, judge=Judge, conn=UpstreamConnection, body=bytes, again=WholeAgain, own=bytes, used=tuple, charged=tuple
    )
    cdef _whole(self, bytes raw, Py_ssize_t size, bytes lines, bint keep)
    cdef _answered(self, Judge judge, UpstreamConnection conn, bint keep)
    @cython.locals(relay=Passing)
    cdef _relay(self, bytes lines)
    @cython.locals(begin=Py_ssize_t, end=Py_ssize_t)
    cdef _begin_stream(self, bytes raw, Py_ssize_t size, bytes lines)
    @cython.locals(at=Py_ssize_t, since=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t, same=SameAgainType)
    cdef _chunks(self, bytes data)
    cdef _piece(self, bytes payload)
    cdef _end_of_body(self)
    cdef _end_stream(self)
    cdef _commit(self)
    cdef _drain(self)
    cpdef general(self)
