"""Anthropic Messages. Today: its errors and how its answers are watched; translation is not here yet."""
