"""`/ui/static/{hash}/...`: styles, scripts and vendored libraries, read once, compressed once, kept by browsers for ever.

The hash is of all files, so that a module may name its neighbour relatively and an update changes every address. The
styles of `css/` are one file, `app.css`, in the order of their names.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from ...errors import PointsmanError
from ...kinds import ErrorKind

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@cache
def files() -> dict[str, bytes]:
    """What is served, by its path behind the hash."""
    found = {
        str(path.relative_to(FOLDER)): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file() and path.suffix in _TYPES and path.parent.name != "css"
    }
    styles = [path.read_bytes() for path in sorted((FOLDER / "css").glob("*.css"))]
    return {**found, "app.css": b"\n".join(styles)}


@cache
def version() -> str:
    """The hash of all files."""
    digest = hashlib.sha256()
    for name, body in files().items():
        digest.update(name.encode() + b"\0" + body)
    return digest.hexdigest()[:12]


@cache
def packed(name: str) -> bytes:
    """One file as gzip."""
    return gzip.compress(files()[name], 9, mtime=0)


@router.get("/ui/static/{asked}/{name:path}")
async def show(request: Request, asked: str, name: str) -> Response:
    """One file; whatever is asked for by another hash is today's, and not kept."""
    body = files().get(name)
    if body is None:
        raise PointsmanError(ErrorKind.NOT_FOUND, "There is no such file.")
    headers = {
        "cache-control": _FOR_EVER if asked == version() else "no-store",
        "vary": "accept-encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        body = packed(name)
    return Response(body, media_type=_TYPES[Path(name).suffix], headers=headers)
