"""Tests of the shape of the source: sizes, docstrings, what imports what, where vendor names may stand."""
