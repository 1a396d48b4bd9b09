"""Pointsman: one endpoint for every language model. This file only holds the version, and finds what was compiled."""

from . import native as native

__version__ = "0.1.0"
