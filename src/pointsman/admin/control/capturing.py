"""Looks after captures: those whose time is over end, and what they kept goes when it is too old; after the cache, whose
answers go with their time and their rule; after recordings whose maker is gone; and after what shadows came to, which goes
with its rule."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from ...errors import PointsmanError
from ..store import captures, mappings
from .control_plane import ControlPlane

log = logging.getLogger("pointsman.control")

_LOOK_SECONDS = 5.0


async def look_after_captures(control: ControlPlane) -> None:
    """For ever. Nothing is asked of the database while nothing is captured and no rule changes."""
    version = -1
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.to_thread(control.captured.tend)
        keeping = {one.id for one in control.snapshot.mappings if one.cache_seconds is not None}
        keys = {one.id for one in control.snapshot.client_keys if one.cache_seconds is not None}
        await asyncio.to_thread(control.answers.tend, keeping, keys)
        if control.recorders.end_what_is_over():
            await asyncio.to_thread(control.publish)
        if control.snapshot.version != version:
            version = control.snapshot.version
            await asyncio.to_thread(forget_gone_rules, control)
        if any(one.until <= time.time() for one in control.snapshot.captures):
            await asyncio.to_thread(end_what_is_over, control)


def forget_gone_rules(control: ControlPlane) -> None:
    """What shadows came to goes with its rule."""
    if control.shadows.begun:
        with control.read() as session:
            numbers = [one.id or 0 for one in mappings.list_all(session)]
        control.shadows.keep_only(numbers)


def end_what_is_over(control: ControlPlane) -> None:
    """Until it has ended nothing is captured all the same: processes know until when."""
    try:
        with control.change() as session:
            captures.delete_over(session, datetime.now(UTC))
    except PointsmanError as error:
        log.warning("a capture whose time is over is still listed: %s", error.public)
