"""The built-in practice model and the scripted upstream: local, free, no key, behind real sockets.

It has its own wire code and imports nothing else of ours: a test never proves the gateway with the gateway.
"""

from __future__ import annotations

from .exchange import CUT, RESET, STALL, Part, Pause, Received, Reply
from .scripted import ScriptedUpstream, Step
from .server import PracticeServer

__all__ = [
    "CUT",
    "RESET",
    "STALL",
    "Part",
    "Pause",
    "PracticeServer",
    "Received",
    "Reply",
    "ScriptedUpstream",
    "Step",
]
