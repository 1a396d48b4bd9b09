"""The share of the memory that engines may take, and sizes in words. Not here: what a process takes (processes.py)."""

from __future__ import annotations

SHARE = 0.75
"""Of the memory, for engines, where nothing else was said: macOS lets Metal have about as much."""


def readable(size: int) -> str:
    """`3.2 GiB`, `850 MiB`."""
    if size >= 2**30:
        return f"{size / 2**30:.1f} GiB"
    return f"{size / 2**20:.0f} MiB"
