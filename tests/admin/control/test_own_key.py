"""The pages' own key: the data plane knows it where clients need keys, and nobody else does."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.link.messages import Snapshot

from .plane import Plane, Worker


def own(snapshot: Snapshot) -> list[int]:
    return [key.id for key in snapshot.client_keys if key.id == 0]


def test_it_is_there_once_clients_need_keys_and_is_never_counted_or_listed(
    own_plane: Callable[..., Plane],
) -> None:
    plane = own_plane()
    with Worker(plane) as worker:
        assert own(worker.snapshot) == []  # it would be taken for a login at a provider
        plane.good("POST", "/api/keys", {"name": "somebody"})
        worker.wait(lambda: worker.snapshot.keys_required)
        assert own(worker.snapshot) == [0]
        assert plane.good("GET", "/api/status")["client_keys"] == 1
        assert [row["name"] for row in plane.good("GET", "/api/keys")] == ["somebody"]
