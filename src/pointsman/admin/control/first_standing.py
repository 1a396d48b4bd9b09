"""What a gateway that starts shows of its rules and backends. Not here: the screen (cli/welcome.py)."""

from __future__ import annotations

from ...process.standing import Standing
from ..store import credentials, local_backends, sealing
from .control_plane import ControlPlane


def standing_of(control: ControlPlane) -> Standing:
    """Stored backends with their addresses, problems, and the servers near."""
    with control.store.read() as session:
        rows: list[sealing.SealedRow] = [*credentials.list_all(session)]
        rows += local_backends.list_all(session)
    backends = [(sealing.key_of(row), sealing.base_url_of(row)) for row in rows]
    near = [
        (one.key, one.server.title, one.server.base_url, one.server.problem or "") for one in control.found
    ]
    snapshot = control.snapshot
    looked = control.servers is not None or not control.options.discover
    return Standing(backends, snapshot.problems, snapshot.keys_required, near if looked else None)
