"""How a control plane is started, and the one trouble that no waiting ends. Not here: what it opens (control_plane.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...config import LAST_GOOD_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...secret import Secret
from ..store.database import backing_of
from ..store.database_url import BACKUP_FOLDER, database_place


class StartValue(msgspec.Struct, frozen=True):
    """An option of `pointsman serve` as it came out. by: `option`, `environment` or `default`. variable: "" where none sets
    it."""

    name: str
    option: str
    variable: str
    value: str
    by: str


@dataclass(frozen=True, slots=True)
class Options:
    """How this control plane was started. url: the gateway's public one, "" without a gateway. client_key: one that
    clients may send, whatever keys there are. discover: its data plane looks for model servers on this computer.
    discover_ports: where to look beside the usual ports. told: what the start was asked, for people. reach: where other
    nodes reach this one, "" = nowhere."""

    url: str = ""
    require_keys: bool = False
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    environment_origins: tuple[str, ...] = ()
    client_key: Secret | None = None
    discover: bool = True
    discover_ports: tuple[int, ...] = ()
    told: tuple[StartValue, ...] = ()
    reach: str = ""


class LostDatabase(PointsmanError):
    """It was there, and is gone or empty: nothing but a backup brings it back."""


def refuse_lost(data_dir: Path, url: str | None) -> None:
    """A database that was there and is gone is not begun anew: everybody's rules would be lost without a word."""
    if not (data_dir / LAST_GOOD_FILE).exists():
        return
    place = database_place(data_dir, url)
    backing = backing_of(place, data_dir)
    try:
        if not backing.is_empty():
            return
    finally:
        backing.close()
    begin = f"or remove {LAST_GOOD_FILE} to begin an empty one"
    if isinstance(place, Path):
        what = "is empty" if place.exists() else "is gone"
        said = (
            f"The database {place.name} {what} though there was one; put it back from your backup (one from before the last"
            f" update may be in {BACKUP_FOLDER}/), {begin}."
        )
    else:
        said = (
            f"The database ({place.said}) is empty though this gateway had one; copy that into it (pointsman db copy), name"
            f" the one that it was, {begin}."
        )
    raise LostDatabase(ErrorKind.UNAVAILABLE, said, retry_after=5)
