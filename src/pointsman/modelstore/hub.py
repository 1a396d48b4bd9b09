"""A hub of models over HTTP: which files a repository has, and the bytes of one. Standard library only.

Source: the hub's own API pages, `GET /api/models/ORG/NAME/revision/REV?blobs=true` and `GET /ORG/NAME/resolve/REV/FILE`,
which may redirect to where the bytes are. Not here: what is fetched and where it is put (pull.py).
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import IO, Any
from urllib.parse import quote, urlsplit

from .. import __version__
from ..errors import PointsmanError
from ..kinds import ErrorKind
from .caches import hub_home

_SECONDS = 30.0
_LIST_BYTES = 32 * 2**20
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PATH = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[^/\\\0][^\\\0]*")


@dataclass(frozen=True, slots=True)
class HubFile:
    """etag: the name of its blob in a cache: SHA-256 of the bytes where 64 digits long, else git's SHA-1 of them."""

    path: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class HubRepository:
    """revision: the commit that `main` is now."""

    name: str
    revision: str
    files: tuple[HubFile, ...]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A login is for the hub alone, never for the host that it sends on to."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            made.remove_header("Authorization")
        return made


class Hub:
    """One hub: `HF_ENDPOINT`, else Hugging Face's."""

    def __init__(self) -> None:
        self.endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        if not self.endpoint.startswith(("https://", "http://")):
            raise PointsmanError(ErrorKind.INVALID, f"HF_ENDPOINT={self.endpoint} is no http address")
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise PointsmanError(
                ErrorKind.INVALID, "HF_HUB_OFFLINE is set: nothing is fetched; unset it to fetch a model"
            )
        self._opener = urllib.request.build_opener(_Redirects)

    def repository(self, name: str) -> HubRepository:
        """Raises PointsmanError where there is none, nobody may see it, or nobody answers."""
        with self._open(f"/api/models/{name}/revision/main?blobs=true", name) as answer:
            data = answer.read(_LIST_BYTES)
        try:
            told = json.loads(data)
            files = tuple(found for one in told["siblings"] if (found := _file(one)) is not None)
            revision = str(told["sha"])
        except (ValueError, KeyError, TypeError):
            raise self._odd("answered no list of files") from None
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise self._odd("answered no list of files")
        return HubRepository(name, revision, files)

    def bytes_of(self, repository: HubRepository, file: HubFile, begin: int) -> tuple[HTTPResponse, int]:
        """The file's bytes from `begin`, and where they really begin: 0 from a server that knows no parts."""
        path = f"/{repository.name}/resolve/{repository.revision}/{quote(file.path)}"
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={begin}-"} if begin else {})}
        answer: HTTPResponse = self._open(path, repository.name, headers)
        return answer, begin if answer.status == 206 else 0

    def _open(self, path: str, name: str, headers: Mapping[str, str] | None = None) -> Any:
        request = urllib.request.Request(self.endpoint + path)  # noqa: S310 - its scheme was looked at
        request.add_header("User-Agent", f"pointsman/{__version__}")
        for key, value in (headers or {}).items():
            request.add_header(key, value)
        login = _login()
        if login:
            request.add_unredirected_header("Authorization", f"Bearer {login}")
        try:
            return self._opener.open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refused(error.code, name) from None
        except (OSError, ValueError) as error:
            raise PointsmanError(
                ErrorKind.UPSTREAM_UNREACHABLE,
                f"{self.endpoint} cannot be reached ({getattr(error, 'reason', error)}): offline? What has come is kept;"
                " run the command again",
            ) from None

    def _refused(self, status: int, name: str) -> PointsmanError:
        if status in (401, 403):
            return PointsmanError(
                ErrorKind.FORBIDDEN,
                f"{name} is not there, or wants a login: accept its terms at {self.endpoint}/{name} and set HF_TOKEN",
            )
        if status == 404:
            return PointsmanError(ErrorKind.NOT_FOUND, f"{self.endpoint} has no model {name}")
        return self._odd(f"answered {status}; try again later")

    def _odd(self, what: str) -> PointsmanError:
        return PointsmanError(ErrorKind.UPSTREAM_ERROR, f"{self.endpoint} {what}")


def _file(told: Any) -> HubFile | None:
    """None for a file whose name or sum is not to be trusted with a place on the disk."""
    if not isinstance(told, dict):
        return None
    big = told.get("lfs")
    path, size, etag = told.get("rfilename"), told.get("size"), told.get("blobId")
    if isinstance(big, dict):
        etag = big.get("sha256", etag)
    if not isinstance(path, str) or not isinstance(etag, str) or not isinstance(size, int) or size < 0:
        return None
    if not _PATH.fullmatch(path) or not _ETAG.fullmatch(etag):
        return None
    return HubFile(path, size, etag)


def _login() -> str:
    """As Hugging Face's own programs find it."""
    named = os.environ.get("HF_TOKEN")
    if named is not None:
        return named.strip()
    try:
        return (hub_home() / "token").read_text().strip()
    except OSError:
        return ""
