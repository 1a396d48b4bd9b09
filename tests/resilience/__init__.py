"""Tests of pointsman.resilience: the walk over targets and what a status means. No I/O."""
