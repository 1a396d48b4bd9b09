"""Tests of pointsman.control."""
