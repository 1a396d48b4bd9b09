"""Three gateways, a computer each, their PostgreSQL on a fourth, nginx and the clients on a fifth; and what is asked of them.

The link to PostgreSQL is TLS with an authority of its own, its password in a passfile. Every gateway has a practice model
on its own loopback, which the shared rules name. Not here: what is done to them (plays.py).
"""

from __future__ import annotations

import http.client
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.authority import Authority
from tests.bench.tools import find
from tests.children import child
from tests.durable.rehearse import small_disk
from tests.e2e.gateway import Gateway, clean_environment
from tests.e2e.web import Answer, fetch
from tests.postgres import Cluster
from tests.postgres import missing as no_postgres

from . import namespaces
from .balancer import balancer
from .load import Load

NODES = ("n1", "n2", "n3")
DB, LB = "db", "lb"
PORT = 4480
LEAVE_SECONDS = 2.0
_NEAR_PORT = 9000
WHOLE, STREAM, LIMITED = "whole", "stream", "limited"
"""Names of models: the rules behind them."""
_STREAM_MODEL = "practice:30ms"
"""About thirty events, a second: there are always some on each node."""
_LIMITED_MODEL = "practice:20ms"
DATABASE = _USER = "pointsman"
_PASSWORD = "canary-of-the-nodes"
_HBA = "local all all trust\nhostssl all all 10.77.0.0/24 scram-sha-256\n"
_DISK = "192m"
_WAL = ("min_wal_size=32MB", "max_wal_size=64MB")
"""So that the sized disk holds the data beside it."""
UNANSWERED = (OSError, http.client.HTTPException)


def missing() -> str | None:
    """Why this cannot be played here."""
    if find("nginx") is None:
        return "nginx is not installed (apt-get install nginx)"
    return no_postgres() or namespaces.missing() or _no_disk()


def _no_disk() -> str | None:
    with small_disk("1m") as disk:
        return None if disk else "this user cannot mount a tmpfs"


class SpentRow(NamedTuple):
    """A usage row. begin: of its first output, by its node's clock; end: when it was over."""

    tokens: int
    begin: float
    end: float


@dataclass
class Site:
    """What runs. load: the clients, all the time. started: when each node said last that it serves."""

    computers: namespaces.Computers
    cluster: Cluster
    disk: Path
    gateways: dict[str, Gateway]
    key: str
    load: Load
    started: dict[str, float] = field(default_factory=dict)

    def call(self, node: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """A call of the admin API, on the node itself. Raises one of UNANSWERED where it says nothing."""
        gateway = self.gateways[node]
        with self.computers.on(node):
            return fetch(gateway.url, method, path, body, {"authorization": f"Bearer {gateway.admin_token}"})

    def get(self, node: str, path: str) -> Any:
        """What it answers to that, which must be 200."""
        answer = self.call(node, "GET", path)
        assert answer.status == 200, f"{node} {path}: {answer.status} {answer.body[:300]!r}"
        return answer.json()

    def add(self, node: str, name: str) -> Answer:
        """Adds a rule."""
        return self.call(node, "POST", "/api/mappings", rule(name))

    def ask(self, node: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """As a client that goes to that node itself."""
        with self.computers.on(LB):
            return fetch(self.gateways[node].url, method, path, body, {"authorization": f"Bearer {self.key}"})

    def served(self, node: str) -> frozenset[str] | None:
        """The names that its clients are offered: what its data plane serves by. None where it does not answer."""
        try:
            answer = self.ask(node, "GET", "/v1/models")
        except UNANSWERED:
            return None
        return frozenset(row["id"] for row in answer.json()["data"]) if answer.status == 200 else None

    def start(self, *names: str) -> None:
        """All at the same time; returns when they answer."""

        def one(name: str) -> None:
            with self.computers.on(name):
                self.gateways[name].start()
            self.started[name] = time.monotonic()

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(one, names))

    def usage_ids(self, since: float) -> list[str]:
        """Of all usage rows since that moment (unix seconds), one twice where it is there twice."""
        rows = self.cluster.run(f"SELECT id FROM usage WHERE at >= {since:.3f}", _USER)
        return [str(name) for (name,) in rows]

    def spent_rows(self, key: int) -> list[SpentRow]:
        """What the usage rows say of a client key's requests that were let in."""
        query = (
            "SELECT coalesce(input_tokens, 0) + coalesce(output_tokens, 0), at + coalesce(first_output_ms, total_ms) / 1000,"
            f" at + total_ms / 1000 FROM usage u JOIN usage_kind k ON k.id = u.kind WHERE k.key_id = {key}"
            " AND k.target IS NOT NULL"
        )
        return [SpentRow(*row) for row in self.cluster.run(query, _USER)]  # type: ignore[arg-type]

    def held(self, key: int, node: str) -> int:
        """Tokens of a client key's budget that are the node's part, and that it has not told the use of."""
        query = (
            "SELECT coalesce(sum(share - used), 0)::bigint FROM leases"
            f" WHERE whose = 'key/{key}' AND kind = 'tokens' AND node = '{node}'"
        )
        ((held,),) = self.cluster.run(query, _USER)
        assert isinstance(held, int)
        return held

    def usage_sums(self) -> tuple[int, int]:
        """How many usage rows there are, and how many the hours have counted, at the same moment."""
        query = "SELECT (SELECT count(*) FROM usage)::bigint, (SELECT sum(records) FROM usage_hour)::bigint"
        ((rows, counted),) = self.cluster.run(query, _USER)
        assert isinstance(rows, int)
        assert isinstance(counted, int)
        return rows, counted


def rule(name: str, model: str = "practice:fast") -> dict[str, Any]:
    return {
        "model_pattern": name,
        "backend_type": "local",
        "backend_name": "near",
        "backend_model": model,
    }


@contextmanager
def site(rest: float) -> Iterator[Site]:
    """Everything, and its end: also where the block raises, no process and no namespace is left. rest: seconds of each
    client between two requests."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-nodes-")))
        folder.chmod(0o755)  # PostgreSQL is another user
        computers = stack.enter_context(namespaces.Computers(DB, LB, *NODES))
        disk = stack.enter_context(small_disk(_DISK))
        assert disk is not None
        cluster = _cluster(stack, computers, disk)
        url = _database(cluster, computers, folder)
        for name in NODES:
            with computers.on(name):
                stack.enter_context(_practice())
        keys = secrets.token_hex(32), f"sk-{secrets.token_hex(24)}"
        gateways = {name: _gateway(folder, name, computers.addresses[name], url, keys) for name in NODES}
        load = Load(lambda: computers.on(LB), computers.addresses[LB], keys[1], (WHOLE, STREAM), rest)
        made = Site(computers, cluster, disk, gateways, keys[1], load)
        for gateway in gateways.values():
            stack.callback(_end, gateway)
        _begin(made)
        with computers.on(LB):
            stack.enter_context(balancer(folder / "nginx", [computers.addresses[name] for name in NODES]))
        with load:
            yield made


def _begin(made: Site) -> None:
    """All at once on an empty database, of which one makes the tables."""
    first = NODES[0]
    made.start(*NODES)
    near = {"name": "near", "base_url": f"http://127.0.0.1:{_NEAR_PORT}"}
    for path, body in (
        ("/api/local", near),
        ("/api/mappings", rule(WHOLE)),
        ("/api/mappings", rule(STREAM, _STREAM_MODEL)),
        ("/api/mappings", rule(LIMITED, _LIMITED_MODEL)),
    ):
        answer = made.call(first, "POST", path, body)
        assert answer.status == 201, answer.body
    until = time.monotonic() + 20
    while not all((made.served(name) or frozenset()) >= {WHOLE, STREAM, LIMITED} for name in NODES):
        assert time.monotonic() < until, "not all nodes serve"
        time.sleep(0.05)


def _cluster(stack: ExitStack, computers: namespaces.Computers, disk: Path) -> Cluster:
    cluster = Cluster(
        f"listen_addresses={computers.addresses[DB]}", *_WAL, durable=True, port=5432, folder=disk, hba=_HBA
    )
    with computers.on(DB):
        stack.enter_context(cluster)
    return cluster


def _database(cluster: Cluster, computers: namespaces.Computers, folder: Path) -> str:
    address = computers.addresses[DB]
    authority = Authority(folder / "authority")
    authority.guard(cluster, address)
    cluster.run(f"CREATE ROLE {_USER} LOGIN PASSWORD '{_PASSWORD}'")
    cluster.run(f"CREATE DATABASE {_USER} OWNER {_USER}")
    passfile = folder / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"{address}:5432:{_USER}:{_USER}:{_PASSWORD}\n")
    return f"postgresql://{_USER}@{address}/{_USER}?sslrootcert={authority.path}&passfile={passfile}"


def _gateway(folder: Path, name: str, address: str, url: str, keys: tuple[str, str]) -> Gateway:
    master, key = keys
    env = {
        "POINTSMAN_DATABASE_URL": url,
        "POINTSMAN_MASTER_KEY": master,
        "POINTSMAN_CLIENT_KEY": key,
        "POINTSMAN_ALLOW_HOST": "gateway.example",
        "POINTSMAN_LEAVE_SECONDS": f"{LEAVE_SECONDS:g}",
        "POINTSMAN_DRAIN_SECONDS": "20",
    }
    words: Sequence[str] = ("--node", name, "--host", address, "--port", str(PORT))
    return Gateway(folder / name, *words, env=env, expect_clean_log=False)


@contextmanager
def _practice() -> Iterator[None]:
    words = [sys.executable, "-m", "pointsman.practice", "--port", str(_NEAR_PORT), "--pace", "0"]
    with child(words, stdout=subprocess.PIPE, env=clean_environment(), text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http"), "the practice model did not start"
        yield


def _end(gateway: Gateway) -> None:
    if gateway.process is not None:
        gateway.kill()
