"""Tests of the Chat dialect: the shared cases, and its own oddities."""
