"""Pointsman: one endpoint for every language model. This file only holds the version."""

__version__ = "0.1.0"
