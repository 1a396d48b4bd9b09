# Types for Cython: see hatch_build.py.
from pointsman.dialects.seen cimport Seen

cpdef meaning(Seen seen, onward, bint whole=*)
