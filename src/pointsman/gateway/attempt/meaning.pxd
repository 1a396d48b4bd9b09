# Types for Cython: see hatch_build.py.
from pointsman.dialects.seen cimport Seen as SeenType

cpdef meaning(SeenType seen, onward, bint whole=*)
