"""Processes: the supervisor that starts the others, the tie to a parent, and files only their owner may read."""
