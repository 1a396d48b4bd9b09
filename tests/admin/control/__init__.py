"""Tests of pointsman.admin.control."""
