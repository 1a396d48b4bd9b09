"""Tests of pointsman.cli."""
