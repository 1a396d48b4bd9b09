"""`pointsman backup` and `pointsman restore` after a day of changes of every kind: each row of each table is as it was, stored
keys reach their backends, client keys work or do not as then, and usage is counted on."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pointsman.practice import ScriptedUpstream
from tests.agents.model import CHAT
from tests.gateway.test_recovered_calls import saying

from .gateway import Gateway, wait_until

Make = Callable[..., Gateway]
CHANGES = 30


def rows(data_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> all its rows, of the database as it is on the disk."""
    with closing(sqlite3.connect(f"file:{data_dir / 'pointsman.db'}?mode=ro", uri=True)) as database:
        names = [one for (one,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(database.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in names
            if not name.startswith("sqlite_")
        }


class Day:
    """Changes by the admin API, each of something that is there or new, by chance but the same each time."""

    def __init__(self, gateway: Gateway, seed: int) -> None:
        self._gateway = gateway
        self._chance = random.Random(seed)
        self._name = f"d{seed}"
        self._made = 0

    def go_by(self, changes: int) -> None:
        kinds = [getattr(self, name) for name in dir(self) if name.startswith("do_")]
        for kind in kinds:  # one of each at least
            kind()
        for _ in range(changes):
            self._chance.choice(kinds)()

    def _new(self) -> str:
        self._made += 1
        return f"{self._name}-{self._made}"

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._gateway.api(method, path, body)

    def _one_of(self, path: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        found = [one for one in self._ask("GET", path) if wanted(one)]
        return self._chance.choice(found) if found else None

    def do_add_rule(self) -> None:
        body = {"model_pattern": f"{self._new()}-*", "backend_type": "local", "backend_name": "practice"}
        self._ask("POST", "/api/mappings", body | {"cache_seconds": 60, "local_only": True})

    def do_change_rule(self) -> None:
        if rule := self._one_of("/api/mappings"):
            self._ask("PATCH", f"/api/mappings/{rule['id']}", {"backend_model": self._new()})

    def do_remove_rule(self) -> None:
        if rule := self._one_of("/api/mappings", lambda one: one["model_pattern"].endswith("-*")):
            self._ask("DELETE", f"/api/mappings/{rule['id']}")

    def do_move_rule(self) -> None:
        first, second = self._one_of("/api/mappings"), self._one_of("/api/mappings")
        if first and first["id"] != second["id"]:
            self._ask("POST", f"/api/mappings/{first['id']}/move", {"before": second["id"]})

    def do_add_key(self) -> None:
        body = {"name": self._new(), "models": ["a-*"], "budget_tokens": 1_000_000, "per": "month"}
        self._ask("POST", "/api/keys", body)

    def do_revoke_key(self) -> None:
        if key := self._one_of(
            "/api/keys", lambda one: one["name"].startswith("d") and not one["revoked_at"]
        ):
            self._ask("DELETE", f"/api/keys/{key['id']}")

    def do_group(self) -> None:
        self._ask("POST", "/api/groups", {"name": self._new(), "rate_requests": self._made})

    def do_credential(self) -> None:
        name = self._chance.choice(["one", "two", "three"])
        body = {"api_key": f"sk-{self._new()}", "base_url": "http://127.0.0.1:9", "allow_http": True}
        self._ask("PUT", f"/api/credentials/openai/{name}", body)

    def do_forget_credential(self) -> None:
        if one := self._one_of("/api/credentials", lambda one: one["name"] in ("one", "two", "three")):
            self._ask("DELETE", f"/api/credentials/openai/{one['name']}")

    def do_local(self) -> None:
        for name in (self._new(), self._new()):
            body = {"name": name, "base_url": "http://127.0.0.1:9", "api_key": f"sk-{name}"}
            self._ask("POST", "/api/local", body)

    def do_forget_local(self) -> None:
        if one := self._one_of("/api/local", lambda one: one["name"].startswith("d")):
            self._ask("DELETE", f"/api/local/{one['name']}")

    def do_host_and_origin(self) -> None:
        self._ask("POST", "/api/hosts", {"host": f"{self._new()}.lan"})
        self._ask("POST", "/api/origins", {"origin": f"https://{self._new()}.example"})

    def do_customs(self) -> None:
        self._ask("POST", "/api/customs/patterns", {"name": self._new(), "pattern": "badge-[0-9]{6}"})
        self._ask("PATCH", "/api/customs", {"mode": self._chance.choice(["warn", "mask"])})

    def do_price(self) -> None:
        self._ask(
            "POST", "/api/prices", {"where": "openai", "model": self._new(), "input": self._made, "output": 2}
        )

    def do_webhook(self) -> None:
        self._ask("POST", "/api/webhooks", {"url": f"http://127.0.0.1:9/{self._new()}", "on": ["key"]})

    def do_capture(self) -> None:
        if rule := self._one_of("/api/mappings"):
            self._ask("POST", "/api/captures", {"mapping_id": rule["id"], "minutes": 60})

    def do_keep_usage(self) -> None:
        self._ask("PUT", "/api/usage/keep", {"days": self._chance.randrange(100, 400)})


def ask(gateway: Gateway, model: str, secret: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return gateway.fetch("POST", "/v1/chat/completions", body, authorization=f"Bearer {secret}").status


def counted(gateway: Gateway) -> int:
    found: int = gateway.api("GET", "/api/usage/totals")["requests"]
    return found


def test_after_a_day_of_changes_all_is_as_it_was(own_gateway: Make, upstream: Any, tmp_path: Path) -> None:
    gateway: Gateway = own_gateway()
    server: ScriptedUpstream = upstream()
    server.always(saying(CHAT, "hello"))
    gateway.rule("kept", gateway.backend("openai", server.url, key="sk-kept-all-along", allow_http=True))
    Day(gateway, 1).go_by(CHANGES)
    gateway.cli("secrets", "rotate")
    secret = gateway.api("POST", "/api/keys", {"name": "mine"})["secret"]
    assert [ask(gateway, "kept", secret) for _ in range(3)] == [200] * 3
    wait_until("they are counted", lambda: counted(gateway) == 3, 10)
    file = tmp_path / "evening.tar"
    gateway.cli("backup", str(file), "--usage")
    evening, requests = rows(gateway.data_dir), counted(gateway)
    assert {name for name, found in evening.items() if not found} <= {"price_lists"}, "some of each"

    Day(gateway, 2).go_by(CHANGES)
    other = gateway.api("POST", "/api/keys", {"name": "of the next day"})["secret"]
    assert ask(gateway, "kept", other) == 200
    for one in gateway.api("GET", "/api/keys"):
        if one["name"] == "mine":
            gateway.api("DELETE", f"/api/keys/{one['id']}")
    gateway.cli(
        "mapping",
        "remove",
        str(next(r["id"] for r in gateway.api("GET", "/api/mappings") if r["model_pattern"] == "kept")),
    )
    assert ask(gateway, "kept", secret) == 401
    assert rows(gateway.data_dir) != evening

    gateway.cli("restore", str(file), "--usage", "--yes")
    for _ in range(2):  # and after a restart
        now = rows(gateway.data_dir)
        audit = {name for name in now if name.startswith("audit")}
        assert {name: now[name] for name in now if name not in audit} == {
            name: evening[name] for name in evening if name not in audit
        }
        assert all(set(map(repr, evening[name])) <= set(map(repr, now[name])) for name in audit)
        assert (ask(gateway, "kept", secret), ask(gateway, "kept", other)) == (200, 401)
        assert server.requests[-1].headers["authorization"] == "Bearer sk-kept-all-along"
        gateway.stop()
        gateway.start()
    assert counted(gateway) == requests + 4, "what came since, two of them refused"
