"""One request from its first step to its usage record. handle.py is the way: read it first. Not here: one try (attempt)."""
