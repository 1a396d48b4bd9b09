"""Several control planes on one PostgreSQL: what one changes, all serve by; who is away is named; master keys."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.control.intake import take
from pointsman.admin.control.nodes import Nodes
from pointsman.admin.control.opening import Options
from pointsman.admin.store import asking, credentials, local_backends, mappings, nodes
from pointsman.admin.store.rotation import rotate
from pointsman.admin.store.schemas import BackendMappingCreate, CloudCredentialCreate, LocalBackendCreate
from pointsman.errors import PointsmanError
from pointsman.kinds import BackendType
from pointsman.ledger.blocks import block_of
from pointsman.link.messages import UsageBatch
from pointsman.routing.specs import BackendSpec
from tests.postgres import Cluster

from .test_usage import record

Make = Callable[[str], ControlPlane]
KEY = "sk-canary-of-all-nodes"


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture
def make(url: str, tmp_path: Path) -> Iterator[Make]:
    """Makes nodes that are on the database and have the first one's master key."""
    with ExitStack() as stack:

        def made(name: str) -> ControlPlane:
            folder, first = tmp_path / name, next(tmp_path.glob("*/master.key"), None)
            folder.mkdir(mode=0o700, exist_ok=True)
            if first is not None and not (folder / "master.key").exists():
                shutil.copy(first, folder / "master.key")
            options = Options(reach=f"http://{name}:4480")
            control = ControlPlane.open(folder, {"POINTSMAN_DATABASE_URL": url}, options)
            stack.callback(control.close)
            assert control.nodes is not None
            control.nodes.join(name, control.epoch, f"http://{name}")
            return control

        yield made


def rule(pattern: str) -> BackendMappingCreate:
    return BackendMappingCreate(model_pattern=pattern, backend_type="openai")  # type: ignore[arg-type]


def add(control: ControlPlane, pattern: str) -> list[str]:
    """Who did not serve by it when it was said to be done."""
    with asking.gathered_behind() as behind:
        with control.change() as session:
            mappings.create(session, rule(pattern))
        return behind


def patterns(control: ControlPlane) -> list[str]:
    return [one.pattern for one in control.snapshot.mappings]


def among(control: ControlPlane) -> Nodes:
    assert control.nodes is not None
    return control.nodes


def eventually(done: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.02)


def idle(control: ControlPlane) -> bool:
    """Has it followed all that there was, also what it begins with?"""
    nodes = among(control)
    return bool(not nodes._wanted and nodes._changed._waiters)  # type: ignore[attr-defined]


def test_a_change_is_live_on_all_nodes_when_it_is_answered(make: Make) -> None:
    first, second, third = make("n1"), make("n2"), make("n3")
    for number, one in enumerate((first, second, third)):
        assert add(one, f"m{number}") == []
        assert patterns(first) == patterns(second) == patterns(third)
    assert [row.name for row in among(third).listed()] == ["n1", "n2", "n3"]
    assert {row.applied for row in among(third).listed()} == {first._rules_version}
    eventually(lambda: among(first).live() == 3)


def test_a_node_that_does_not_follow_is_named_and_follows_later(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make("n1"), make("n2")
    eventually(lambda: idle(second))
    follow = second.follow
    monkeypatch.setattr(among(second), "_follow", lambda _: False)
    assert add(first, "a") == ["n2"]
    assert patterns(second) == []
    monkeypatch.setattr(among(second), "_follow", follow)
    eventually(lambda: patterns(second) == ["a"])
    assert add(second, "b") == []


def test_open_pages_of_one_node_are_told_what_another_one_has_stored(make: Make) -> None:
    first, second = make("n1"), make("n2")

    async def told() -> bool:
        ear = second.live.listen()
        assert ear is not None
        for number in range(10):  # the first may be what it begins with
            block = block_of([record(number)])
            await asyncio.to_thread(take, first, 0, UsageBatch(batch=number + 1, block=block))
            if {"requests", "spending"} <= (await ear.changed(5.0) or set()):
                return True
        return False

    assert asyncio.run(told())


def box(control: ControlPlane) -> BackendSpec:
    return next(spec for spec in control.snapshot.backends if spec.key == "local/box")


def test_what_belongs_to_a_node_is_asked_through_it_while_it_lives(make: Make) -> None:
    """And nobody takes new rules for who comes and goes where nothing belongs to a node."""
    first, second = make("n1"), make("n2")
    eventually(lambda: among(second).urls == {"n1": "http://n1:4480"} and among(second)._applied > 0)
    before = second.snapshot.version
    third = make("n3")
    eventually(lambda: "n3" in among(second).urls)
    third.close()
    assert second.snapshot.version == before
    values = {"name": "box", "base_url": "http://127.0.0.1:8080", "node": "n1", "api_key": "sk-of-the-engine"}
    with second.change() as session:
        local_backends.create(session, second.vault, LocalBackendCreate.model_validate(values))
    own, far = box(first), box(second)
    assert (own.base_url, own.node, own.api_key is not None) == ("http://127.0.0.1:8080", None, True)
    assert (far.base_url, far.node, far.problem) == ("http://n1:4480/node/local/box/v1", "n1", None)
    assert first.snapshot.node is not None
    assert (first.snapshot.node.serves, first.snapshot.node.key) == (("box",), far.api_key)
    assert second.snapshot.node is None
    assert far.api_key is not None
    assert far.api_key.reveal() not in f"{far!r} {first.snapshot.node!r}"
    among(first).leave()
    eventually(lambda: "its node n1 does not live" in (box(second).problem or ""))
    assert box(second).api_key is None


def test_a_notice_that_was_lost_costs_a_second(make: Make, url: str, cluster: Cluster) -> None:
    first = make("n1")
    name = url.partition("@/")[2].partition("?")[0]
    cluster.run("INSERT INTO allowed_origins (origin, created_at) VALUES ('https://by.hand', now())", name)
    cluster.run("UPDATE shared_state SET version = version + 1", name)
    eventually(lambda: "https://by.hand" in first.snapshot.origins)


def test_many_changes_from_all_nodes_at_once_end_the_same_on_all(make: Make) -> None:
    from concurrent.futures import ThreadPoolExecutor

    controls = [make(f"n{number}") for number in range(3)]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda number: add(controls[number % 3], f"m{number}"), range(60)))
    assert told == [[]] * 60
    versions = {control._rules_version for control in controls}
    eventually(lambda: len({tuple(patterns(one)) for one in controls}) == 1)
    assert sorted(patterns(controls[0])) == sorted(f"m{number}" for number in range(60))
    assert max(versions) >= 60


def test_a_second_gateway_of_the_same_name_is_refused_with_what_to_do(
    make: Make, url: str, tmp_path: Path
) -> None:
    make("n1")
    shutil.copytree(tmp_path / "n1", tmp_path / "other", ignore=shutil.ignore_patterns("*.db*"))
    other = ControlPlane.open(tmp_path / "other", {"POINTSMAN_DATABASE_URL": url})
    try:
        with pytest.raises(PointsmanError, match="--node NAME"):
            among(other).join("n1", other.epoch, "")
    finally:
        other.close()


def test_a_node_whose_name_was_taken_meanwhile_says_so_and_serves_on(
    make: Make, url: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "LIVE_SECONDS", 60.0)
    first = make("n1")
    cluster.run(
        "UPDATE nodes SET incarnation = 'another', beat = now()", url.partition("@/")[2].partition("?")[0]
    )
    eventually(lambda: "another with --node" in among(first).problem)
    with first.change() as session:
        mappings.create(session, rule("still"))
    assert patterns(first) == ["still"]


def test_a_node_told_to_drain_is_out_of_readyz_until_it_is_told_otherwise(make: Make) -> None:
    first, second = make("n1"), make("n2")
    assert among(first).set_draining("n2", True)
    eventually(lambda: second.snapshot.leaving)
    assert not first.snapshot.leaving
    assert among(second).set_draining("n2", False)
    eventually(lambda: not second.snapshot.leaving)
    assert not among(first).set_draining("n9", True)


def test_a_node_that_ends_in_order_is_waited_for_by_nobody(make: Make) -> None:
    first, second = make("n1"), make("n2")
    second.close()
    assert [row.name for row in among(first).listed()] == ["n1"]
    assert add(first, "a") == []


def keyed(control: ControlPlane) -> str | None:
    (spec,) = [one for one in control.snapshot.backends if one.key == "openai"]
    return None if spec.api_key is None else spec.api_key.reveal()


def with_key(control: ControlPlane) -> None:
    with control.change() as session:
        credentials.create(
            session, control.vault, CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key=KEY)
        )


def test_a_master_key_that_was_changed_on_one_node_is_taken_from_the_file_that_changed(
    make: Make, tmp_path: Path
) -> None:
    first, second = make("n1"), make("n2")
    with_key(first)
    assert keyed(second) == KEY
    rotate(first.store, first.vault)
    first.publish()
    eventually(lambda: second.vault.problem is not None)
    eventually(lambda: bool(second.snapshot.problems))
    assert "copy it from another" in second.snapshot.problems[0]
    assert keyed(second) == KEY, "the key that it knows already is used on"
    assert add(first, "while-away") == []
    assert patterns(second) == ["while-away"], "and rules go on"
    shutil.copy(tmp_path / "n1" / "master.key", tmp_path / "n2" / "master.key")
    second._look_at_database()
    assert (second.vault.problem, second.snapshot.problems, keyed(second)) == (None, (), KEY)


def test_a_node_with_another_master_key_says_so_and_changes_nothing(
    make: Make, url: str, tmp_path: Path
) -> None:
    first = make("n1")
    other = tmp_path / "other"
    ControlPlane.open(other, {}).close()  # has made a key of its own
    (other / "last-good.snapshot").unlink()
    second = ControlPlane.open(other, {"POINTSMAN_DATABASE_URL": url})
    try:
        assert "not the one" in (second.vault.problem or "")
        with_key(first)
        assert first.follow()
        assert first.vault.problem is None, "the first one's key stays the one of all"
        assert second.publish()
        assert keyed(second) is None
    finally:
        second.close()


def test_the_newest_metrics_of_all_are_told_by_any(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from pointsman.admin.control.nodes_at_hand import metrics_text

    first, second = make("n1"), make("n2")
    eventually(lambda: set(among(first).metrics()) == {"n1", "n2"})
    each = metrics_text(among(second).metrics(), each=True).decode()
    assert 'pointsman_degraded{node="n1"} 0' in each
    assert 'pointsman_degraded{node="n2"} 0' in each
    assert "pointsman_degraded 0" in metrics_text(among(second).metrics(), each=False).decode()
