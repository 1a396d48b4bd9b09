"""Addresses of pages that show the rows behind a figure. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

REQUESTS = "/ui/requests"


def requests_link(since: float | None = None, until: float | None = None, **filters: object) -> str:
    """The requests that a figure counts. since, until: unix seconds. filters: as the page takes them; what is None or False
    is left out."""
    given = {name: value for name, value in filters.items() if value is not None and value is not False}
    given = {name: "true" if value is True else value for name, value in given.items()}
    for name, at in (("since", since), ("until", until)):
        if at is not None:
            given[name] = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    return f"{REQUESTS}?{urlencode(given)}" if given else REQUESTS
