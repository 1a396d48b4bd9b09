"""Tests of the store, on real files in a folder of their own."""
