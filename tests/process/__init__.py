"""Tests of pointsman.process."""
