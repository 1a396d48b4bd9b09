"""Seal and open keys: AES-256-GCM under one master key. The only module that knows `cryptography`
(imported when first needed, so that `from pointsman.admin.vault import Secret` costs nothing).

A sealed text is `pm1.<key id>.<base64url of nonce + ciphertext>`. What it belongs to (table, type and name,
origin) is bound in as associated data: moved to another row, or left behind by a changed base URL, it does
not open.

Not here: which rows hold something sealed (store/sealing.py), a rotation's transaction (store/rotation.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from ..config import KEY_FILE_VARIABLE, KEY_VARIABLE, MASTER_KEY_FILE
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..process.private_files import mode_problem, replace, write_new
from ..secret import Sealed, Secret

__all__ = ["Binding", "MasterKey", "Sealed", "Secret", "Source", "Vault", "VaultError", "fingerprint"]

_VERSION = "pm1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_CHECK_TEXT = "pointsman master key check"


class VaultError(PointsmanError):
    """Something cannot be sealed or opened. The text says what to do."""

    def __init__(self, public: str, *, kind: ErrorKind = ErrorKind.UNAVAILABLE) -> None:
        super().__init__(kind, public)


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed text belongs to."""

    table: str
    type: str
    name: str
    origin: str

    def aad(self, key_id: str) -> bytes:
        """A JSON array: no two bindings have the same bytes."""
        parts = [_VERSION, key_id, self.table, str(self.type), self.name, self.origin]
        return json.dumps(parts, separators=(",", ":")).encode()


class MasterKey:
    """32 bytes and their public id. Frozen; shows only the id."""

    __slots__ = ("_raw", "id")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _KEY_BYTES:
            raise ValueError("a master key is 32 bytes")
        self._raw = raw
        self.id = hmac.digest(raw, b"pointsman key id", "sha256")[:4].hex()

    def __repr__(self) -> str:
        return f"MasterKey(id={self.id})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a MasterKey cannot be pickled")

    @staticmethod
    def new() -> MasterKey:
        return MasterKey(os.urandom(_KEY_BYTES))

    @staticmethod
    def parse(text: str) -> MasterKey:
        """64 hex digits, or base64 (either alphabet, padded or not). Raises ValueError without the text."""
        text = text.strip()
        try:
            if len(text) == 2 * _KEY_BYTES:
                return MasterKey(bytes.fromhex(text))
            plain = text.rstrip("=").replace("-", "+").replace("_", "/")
            return MasterKey(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
        except (ValueError, binascii.Error):
            raise ValueError("is not 32 bytes in base64 or hex") from None

    def derived(self, label: bytes) -> Secret:
        """A key for something else, which whoever has this one makes alike, and which tells nothing of it."""
        return Secret(hmac.digest(self._raw, label, "sha256").hex())

    def text(self) -> str:
        """For the key file."""
        return base64.b64encode(self._raw).decode()

    def same(self, other: MasterKey) -> bool:
        return hmac.compare_digest(self._raw, other._raw)

    def seal(self, secret: Secret, binding: Binding) -> Sealed:
        raw = self.seal_bytes(secret.reveal().encode(), binding)
        body = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return Sealed(f"{_VERSION}.{self.id}.{body}")

    def seal_bytes(self, clear: bytes, binding: Binding) -> bytes:
        """Nonce and ciphertext; only under this key does it open again."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._raw).encrypt(nonce, clear, binding.aad(self.id))

    def open_bytes(self, raw: bytes, binding: Binding) -> bytes:
        """What was sealed by seal_bytes(). Raises VaultError."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._raw).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], binding.aad(self.id))
        except (InvalidTag, ValueError):
            raise VaultError("it does not open: it was sealed under another master key, or changed") from None

    def open(self, sealed: Sealed, binding: Binding) -> Secret:
        """Raises VaultError: sealed under another key, moved, or changed."""
        if sealed.key_id != self.id:
            raise VaultError(
                "it was sealed under another master key; restore that key, or set this key again"
            )
        body = sealed.text.rpartition(".")[2]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            return Secret(self.open_bytes(raw, binding).decode())
        except (VaultError, ValueError):
            raise VaultError(
                "it does not open: it was changed, moved from another row, or its base URL changed;"
                " set the key again"
            ) from None


class Source(StrEnum):
    """Where the master key came from, in the order they are looked for."""

    ENVIRONMENT = "environment"
    NAMED_FILE = "named_file"
    DATA_DIR = "data_dir"


class Vault:
    """The master key in use, or why there is none (`problem`: degraded, nothing is overwritten)."""

    def __init__(self, source: Source, path: Path | None, key: MasterKey | None, problem: str | None) -> None:
        self.source = source
        self.path = path  # the key's file; None when the environment holds the key itself
        self._key = key
        self.problem = problem  # why no key is used

    def __repr__(self) -> str:
        return f"Vault(source={self.source.value}, key={self._key!r}, degraded={self.problem is not None})"

    @property
    def key_id(self) -> str | None:
        return self._key.id if self._key else None

    @classmethod
    def load(
        cls, data_dir: Path, environ: Mapping[str, str], rows_exist: bool, check: str | None = None
    ) -> Vault:
        """First found of the variable, the named file, `<data-dir>/master.key` (made at first start).

        rows_exist: something sealed is stored, so no new key is made and a key that fails `check` is refused.
        check: the stored check value (`make_check`) that only the right key opens. A rotation that a crash
        interrupted is finished or undone here, by which of the two keys opens it.
        """
        source, path, key, problem = _find(data_dir, environ)
        if path is not None and check is not None and rows_exist:
            key, problem = _settle_rotation(path, key, problem, check)
        if source is Source.DATA_DIR and path is not None and not rows_exist and not path.exists():
            key, problem = _create(path)
        if key is not None and rows_exist and check is not None and not check_opens(key, check):
            problem = _wrong_key(source, key, check)
            key = None
        return cls(source, path, key, problem)

    def require(self) -> MasterKey:
        """The key in use. Raises VaultError with the way out while degraded."""
        if self._key is None:
            raise VaultError(f"Stored keys cannot be used: {self.problem or 'there is no master key'}.")
        return self._key

    def derived(self, label: bytes) -> Secret | None:
        """See MasterKey; None while degraded."""
        return None if self._key is None else self._key.derived(label)

    def adopt(self, key: MasterKey) -> None:
        """Use this key from now on (a rotation committed)."""
        self._key, self.problem = key, None

    def refuse(self, problem: str) -> None:
        """Use no key: it is not the right one."""
        self._key, self.problem = None, problem


def make_check(key: MasterKey) -> str:
    """The value stored in `Setting` that tells at the next start whether this is still the right key."""
    return key.seal(Secret(_CHECK_TEXT), _CHECK_BINDING).text


def check_opens(key: MasterKey, check: str) -> bool:
    try:
        return key.open(Sealed(check), _CHECK_BINDING) == Secret(_CHECK_TEXT)
    except VaultError:
        return False


def fingerprint(pepper: bytes, secret: Secret) -> str:
    """8 hex digits that tell two keys apart and say nothing else; stays the same through a rotation."""
    return hmac.new(pepper, b"fingerprint\0" + secret.reveal().encode(), hashlib.sha256).hexdigest()[:8]


def staged_path(path: Path) -> Path:
    """`master.key.new`: the next key, written before the rows are sealed under it."""
    return path.with_name(path.name + ".new")


def stage_key(path: Path, key: MasterKey) -> None:
    """First step of a rotation. Raises OSError."""
    staged = staged_path(path)
    staged.unlink(missing_ok=True)
    write_new(staged, key.text() + "\n")


def finish_promotion(path: Path, current: MasterKey) -> None:
    """Before a next rotation: if the last one's rename failed, the staged file holds the key in use. Raises
    OSError; the key in use is never dropped."""
    staged_key, _ = _read(staged_path(path))
    if staged_key is not None and staged_key.same(current):
        promote_key(path)


def promote_key(path: Path) -> None:
    """Last step of a rotation: the staged key takes the old one's place, in one rename. Raises OSError."""
    replace(staged_path(path), path)


_CHECK_BINDING = Binding("settings", "", "master_key_check", "")


def _find(
    data_dir: Path, environ: Mapping[str, str]
) -> tuple[Source, Path | None, MasterKey | None, str | None]:
    given = environ.get(KEY_VARIABLE)
    if given is not None:
        # Set but empty is a mistake in a unit file; falling through would use, or make, another key.
        try:
            return Source.ENVIRONMENT, None, MasterKey.parse(given), None
        except ValueError as error:
            what = f"{error}" if given.strip() else "is set but empty"
            return Source.ENVIRONMENT, None, None, f"{KEY_VARIABLE} {what}; set it to the key, or unset it"
    named = environ.get(KEY_FILE_VARIABLE)
    if named is not None:
        if not named.strip():
            problem = f"{KEY_FILE_VARIABLE} is set but empty; set it to the key's file, or unset it"
            return Source.NAMED_FILE, None, None, problem
        # resolve: a rename must replace the file itself, not a link to it
        path = Path(named).expanduser().resolve()
        return Source.NAMED_FILE, path, *_read(path)
    path = data_dir / MASTER_KEY_FILE
    return Source.DATA_DIR, path, *_read(path)


def _read(path: Path) -> tuple[MasterKey | None, str | None]:
    try:
        problem = mode_problem(path)
        if problem is not None:
            return None, problem
        return MasterKey.parse(path.read_text(encoding="ascii")), None
    except FileNotFoundError:
        return None, f"the master key file {path} is missing; put it back from your backup"
    except OSError as error:
        return (
            None,
            f"the master key file {path} cannot be read ({error.strerror}); make it readable to this user",
        )
    except ValueError:  # UnicodeDecodeError is one
        return (
            None,
            f"the master key file {path} is not 32 bytes in base64 or hex; put it back from your backup",
        )


def _settle_rotation(
    path: Path, key: MasterKey | None, problem: str | None, check: str
) -> tuple[MasterKey | None, str | None]:
    """What a crash left: the check value tells whether the rows are under the staged key already."""
    staged = staged_path(path)
    if not staged.exists():
        return key, problem
    if key is not None and check_opens(key, check):
        _quietly(staged.unlink)  # the transaction did not happen; the old state stands
        return key, problem
    next_key, _ = _read(staged)
    if next_key is not None and check_opens(next_key, check):
        _quietly(lambda: promote_key(path))  # if it fails (read-only disk) the next start tries again
        return next_key, None
    return key, problem


def _quietly(act: Any) -> None:
    try:
        act()
    except OSError:
        pass


def _create(path: Path) -> tuple[MasterKey | None, str | None]:
    key = MasterKey.new()
    try:
        write_new(path, key.text() + "\n")
    except OSError as error:
        return None, f"a master key cannot be written to {path} ({error.strerror}); make the folder writable"
    return key, None


def _wrong_key(source: Source, key: MasterKey, check: str) -> str:
    return (
        f"the master key (from {_source_name(source)}) is not the one the stored keys were sealed with"
        f" (this is {key.id}, they need {Sealed(check).key_id}); put the right one back"
    )


def _source_name(source: Source) -> str:
    return {
        Source.ENVIRONMENT: KEY_VARIABLE,
        Source.NAMED_FILE: KEY_FILE_VARIABLE,
        Source.DATA_DIR: f"<data-dir>/{MASTER_KEY_FILE}",
    }[source]
