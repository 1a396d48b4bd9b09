"""Tests of the Responses dialect: the shared cases, and its own oddities."""
