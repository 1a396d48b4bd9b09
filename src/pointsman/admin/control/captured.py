"""Bodies of requests that somebody has asked to see: a file each, sealed with the vault's key, the oldest first to go
when they are too many, too large together, or too old. Shown redacted, never as they are.

A file is bound to its name, so that none passes for another; after a rotation of the master key those from before no longer
open, and go. Not here: whose are kept (store/captures.py).
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.messages import Captured
from ...process.private_files import private_folder, write_over
from ...secret import Secret
from ..vault import Binding, Sealed, Vault, VaultError
from .redaction import redacted

log = logging.getLogger("pointsman.control")

FOLDER = "captured"
MOST_FILES = 200
MOST_BYTES = 64 * 1024 * 1024
KEPT_SECONDS = 24 * 3600.0
_SUFFIX = ".sealed"
_NAME = re.compile(r"[A-Za-z0-9_]{1,80}")


class CapturedFiles:
    """folder: where they are; made 0700 when first needed. From any thread."""

    def __init__(self, data_dir: Path, vault: Vault) -> None:
        self.folder = data_dir / FOLDER
        self._vault = vault
        self._lock = threading.Lock()
        self._told: dict[
            str, tuple[tuple[float, str | None], dict[str, Any]]
        ] = {}  # what a file says, as of when

    def keep(self, one: Captured) -> None:
        """Raises PointsmanError where it cannot be sealed, OSError where it cannot be written."""
        packed = base64.b64encode(msgspec.msgpack.encode(one)).decode()
        sealed = self._vault.require().seal(Secret(packed), _binding(one.request_id))
        with self._lock:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            private_folder(self.folder)
            write_over(self._path(one.request_id), sealed.text)
        self.tend()

    def tend(self) -> None:
        """Take out what is too old, and the oldest where there is too much."""
        with self._lock:
            found = self._newest_first()
            total = 0
            oldest = time.time() - KEPT_SECONDS
            for number, (path, at, size) in enumerate(found):
                total += size
                if at < oldest or number >= MOST_FILES or total > MOST_BYTES:
                    with suppress(OSError):
                        path.unlink()

    def list_all(self) -> list[dict[str, Any]]:
        """The newest first, in the fields of schemas.CapturedSummary."""
        self.tend()
        known, told = self._told, dict[str, tuple[tuple[float, str | None], dict[str, Any]]]()
        for path, at, _ in self._newest_first():
            before, as_of = known.get(path.name), (at, self._vault.key_id)
            if before is not None and before[0] == as_of:
                told[path.name] = before
            elif (one := self._open(path)) is not None:
                told[path.name] = as_of, _facts(one)
        self._told = told
        return [facts for _, facts in told.values()]

    def size(self) -> int:
        """Bytes on disk."""
        return sum(size for _, _, size in self._newest_first())

    def show(self, request_id: str) -> dict[str, Any]:
        """In the fields of schemas.CapturedBodies. Raises NOT_FOUND."""
        self.tend()
        path = self._path(request_id) if _NAME.fullmatch(request_id) else None
        one = self._open(path) if path is not None and path.exists() else None
        if one is None:
            raise _none_kept()
        shown = {
            "asked": _text(one.asked),
            "asked_cut": one.asked_size > len(one.asked),
            "answered": _text(one.answered),
            "answered_cut": one.answered_size > len(one.answered),
        }
        return _facts(one) | shown

    def remove(self, request_id: str) -> None:
        """Take those of one request out. Raises NOT_FOUND."""
        path = self._path(request_id) if _NAME.fullmatch(request_id) else None
        try:
            if path is None:
                raise FileNotFoundError
            path.unlink()
        except FileNotFoundError:
            raise _none_kept() from None

    def clear(self) -> None:
        """Take all of it out."""
        with self._lock:
            for path, _, _ in self._newest_first():
                with suppress(OSError):
                    path.unlink()

    def _path(self, request_id: str) -> Path:
        return self.folder / f"{request_id}{_SUFFIX}"

    def _newest_first(self) -> list[tuple[Path, float, int]]:
        """(file, when it was written, its size)."""
        found: list[tuple[Path, float, int]] = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):
                told = path.stat()
                found.append((path, told.st_mtime, told.st_size))
        return sorted(found, key=lambda one: -one[1])

    def _open(self, path: Path) -> Captured | None:
        """None of one that cannot be opened, which goes: it was sealed under an earlier master key, or changed."""
        name = path.name.removesuffix(_SUFFIX)
        try:
            sealed = Sealed(path.read_text(encoding="ascii"))
            packed = self._vault.require().open(sealed, _binding(name)).reveal()
            return msgspec.msgpack.decode(base64.b64decode(packed), type=Captured)
        except VaultError as error:
            if self._vault.problem is None:
                log.warning(
                    "request %s: what was captured cannot be opened, and goes: %s", name, error.public
                )
                with suppress(OSError):
                    path.unlink()
        except (OSError, ValueError, msgspec.DecodeError):
            log.warning("request %s: what was captured cannot be read", name)
        return None


def _none_kept() -> PointsmanError:
    return PointsmanError(
        ErrorKind.NOT_FOUND, "Nothing is kept of that request; see: pointsman capture requests."
    )


def _binding(request_id: str) -> Binding:
    return Binding(FOLDER, "", request_id, "")


def _facts(one: Captured) -> dict[str, Any]:
    return {
        "request_id": one.request_id,
        "at": datetime.fromtimestamp(one.at, UTC),
        "path": one.path,
        "model": one.model,
        "target": one.target or None,
        "mapping_id": one.mapping_id,
        "key_id": one.key_id,
        "status": one.status or None,
        "asked_size": one.asked_size,
        "answered_size": one.answered_size,
    }


def _text(body: bytes) -> str:
    """As it can be read. JSON without escapes first, so that what is written with them is seen and taken out, too."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError):
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    return redacted(text)
