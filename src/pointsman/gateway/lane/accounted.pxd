# Types for Cython: see hatch_build.py.
import cython

from pointsman.dialects.seen cimport Seen as SeenType
from pointsman.gateway.data_plane cimport DataPlane
from pointsman.gateway.lane.facts cimport Asker, Track
from pointsman.gateway.lane.state cimport Underway
from pointsman.gateway.request.meter cimport record
from pointsman.ledger.counters cimport Cell, Histogram

cdef class Accounted(Underway):
    @cython.locals(plane=DataPlane, track=Track)
    cpdef remember(self, asks, bint straight)
    cdef _noted(self, SeenType seen)
    cdef tuple _charged(self, tuple used)
    @cython.locals(track=Track)
    cdef _claim(self, double now)
    @cython.locals(plane=DataPlane, track=Track, asker=Asker, now=double, ours=double, used=tuple)
    cdef _settle(self, tuple used, tuple charged, bint aborted=*)
