"""Looks after captures: those whose time is over end, and what they kept goes when it is too old."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from ...errors import PointsmanError
from ..store import captures
from .control_plane import ControlPlane

log = logging.getLogger("pointsman.control")

_LOOK_SECONDS = 5.0


async def look_after_captures(control: ControlPlane) -> None:
    """For ever. Nothing is asked of the database while nothing is captured."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.to_thread(control.recordings.tend)
        if any(one.until <= time.time() for one in control.snapshot.captures):
            await asyncio.to_thread(end_what_is_over, control)


def end_what_is_over(control: ControlPlane) -> None:
    """Until it has ended nothing is captured all the same: processes know until when."""
    try:
        with control.change() as session:
            captures.delete_over(session, datetime.now(UTC))
    except PointsmanError as error:
        log.warning("a capture whose time is over is still listed: %s", error.public)
