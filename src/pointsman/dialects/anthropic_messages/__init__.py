"""Anthropic Messages: its errors, how its answers are watched, and its half of every translation."""
