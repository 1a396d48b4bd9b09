# Types for Cython: see hatch_build.py.
import cython

from pointsman.ledger.prices cimport PriceBook, Rate

cdef class Bill:
    cdef str _model
    cdef PriceBook _prices
    cdef bint _free
    cdef Bill _reference
    @cython.locals(rate=Rate)
    cpdef tuple of(self, tuple used, double at)
