"""The last good snapshot on disk, sealed under the master key: what the gateway serves by when its database cannot be
opened. It holds provider keys and client keys' digests, so it is never in clear, and never older than the rules.

Not here: serving by it (standby.py).
"""

from __future__ import annotations

import base64
import binascii
import errno
import logging
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from ...config import LAST_GOOD_FILE
from ...link.frames import pack, unpack
from ...link.messages import Snapshot
from ...process.private_files import mode_problem, write_over
from ..vault import Binding, Sealed, Secret, Vault, VaultError

log = logging.getLogger("pointsman.control")

_BINDING = Binding("last-good", "snapshot", "1", "")
"""Purpose and format: a sealed key of a row does not open as a snapshot, nor the other way round."""


class LastGood:
    """One data folder's. Written only when the rules or the master key are other ones than last time."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / LAST_GOOD_FILE
        self._written: bytes | None = None  # digest; None = what is on disk has not been looked at
        self.failed = False  # the disk did not take the newest: `keep` wants to be called again

    def keep(self, snapshot: Snapshot, vault: Vault) -> None:
        """Write it. When that fails the old one goes, too: it might hold a key that has been revoked."""
        if vault.problem is not None:
            return  # sealed under nothing; what is on disk is from before the trouble
        raw = pack(msgspec.structs.replace(snapshot, version=0, epoch=""))
        if self._written is None:
            self._written = self._on_disk(vault)
        digest = _digest(raw, vault)
        if digest == self._written and self.path.exists():
            return
        sealed = vault.require().seal(Secret(base64.b64encode(raw).decode()), _BINDING)
        try:
            self._write(sealed.text + "\n")
            self._written, self.failed = digest, False
        except OSError as error:
            if not self.failed:
                log.warning("the last good rules could not be kept on disk (%s)", error.strerror)
            self._written, self.failed = b"", True

    def _write(self, text: str) -> None:
        try:
            write_over(self.path, text)
        except OSError as error:
            self.path.unlink(missing_ok=True)
            if error.errno != errno.ENOSPC:
                raise
            write_over(self.path, text)  # in the room that the old one had

    def _on_disk(self, vault: Vault) -> bytes:
        """The digest of what an earlier process kept, so that a start writes nothing new; b"" = write it."""
        try:
            if mode_problem(self.path) is None:
                sealed = Sealed(self.path.read_text(encoding="ascii").strip())
                return _digest(base64.b64decode(vault.require().open(sealed, _BINDING).reveal()), vault)
        except (OSError, VaultError, ValueError):
            pass
        return b""

    def read(self, environ: Mapping[str, str]) -> tuple[Snapshot | None, str | None]:
        """(the snapshot, why there is none). Both None when nothing was ever kept."""
        try:
            problem = mode_problem(self.path)
            if problem is not None:
                return None, problem
            text = self.path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None, None
        except (OSError, UnicodeDecodeError):
            return None, "it cannot be read"
        vault = Vault.load(self.path.parent, environ, True)
        try:
            clear = vault.require().open(Sealed(text), _BINDING)
            kept = unpack(base64.b64decode(clear.reveal()))
            if not isinstance(kept, Snapshot):
                raise ValueError("no snapshot")
            return kept, None
        except VaultError as error:
            return None, error.public
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            return None, "it was written by another version"


def _digest(raw: bytes, vault: Vault) -> bytes:
    return blake2b(raw, key=(vault.key_id or "").encode()).digest()
