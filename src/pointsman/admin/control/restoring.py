"""Putting a backup back while the gateway serves: looked at first, what is there kept aside, live when it is done; and
taking one in that was made elsewhere. Not here: the files (store/backups.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from ...config import DATABASE_FILE, USAGE_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..store import backups, client_keys
from ..store.backups import Backup, Inside
from ..store.recording import note_restored
from .control_plane import ControlPlane

log = logging.getLogger("pointsman.control")


def folder_of(control: ControlPlane) -> Path:
    """Where backups are, beside the database."""
    return control.store.backing.backups


def examine(control: ControlPlane, name: str) -> Inside:
    """What is in it. Raises INVALID where it is no backup that can be used."""
    with backups.unpacked(backups.path_of(folder_of(control), name), control.store) as (inside, _):
        return inside


async def take_in(control: ControlPlane, pieces: AsyncIterator[bytes]) -> Backup:
    """A backup that comes from elsewhere is kept beside the others once it was looked at; nothing else is changed. Raises
    INVALID where it is none that can be used, and keeps nothing of it then."""
    try:
        with backups.incoming(folder_of(control)) as part:
            with part.open("wb") as out:
                async for piece in pieces:
                    await asyncio.to_thread(out.write, piece)
            return await asyncio.to_thread(backups.keep, part, control.store)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"The backup cannot be written: {error.strerror}. Nothing is left of it."
        ) from error


def restore(control: ControlPlane, name: str, *, usage: bool, other_gateway: bool) -> tuple[Inside, str]:
    """What was put back, and the name of the backup that has what was there. usage: the records, too, where it has some.
    other_gateway: it may be another one's. Raises PointsmanError, and changes nothing then."""
    folder = folder_of(control)
    with backups.unpacked(backups.path_of(folder, name), control.store) as (inside, files):
        _refuse(control, inside, other_gateway)
        aside = backups.aside(folder)
        control.store.backing.put_in(files / DATABASE_FILE, aside)
        if usage and inside.with_usage:
            control.usage.put_in(files / USAGE_FILE)
    with control.store.write() as session:
        note_restored(session, name, aside.name)
    if control.options.client_key is not None:  # which the backup may not know
        client_keys.keep_given(control.store, control.options.client_key)
    log.warning("the database was put back from %s; what was there is in %s", name, aside.name)
    control.reload()
    return inside, aside.name


def _refuse(control: ControlPlane, inside: Inside, other_gateway: bool) -> None:
    if not inside.same_gateway and not other_gateway:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            "This is another gateway's backup: its client keys and settings would take the place of these. Say that you mean"
            " it: other_gateway, or pointsman restore --other-gateway.",
            param="other_gateway",
        )
    if inside.key_id is not None and inside.key_id != control.vault.key_id:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"Its stored keys need the master key {inside.key_id}, and this gateway has"
            f" {control.vault.key_id or 'none'}. Put that key in place and start the gateway with it, then restore.",
        )
