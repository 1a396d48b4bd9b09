"""Recorded exchanges played back through a running gateway."""
