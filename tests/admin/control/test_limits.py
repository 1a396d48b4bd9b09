"""`/api/keys` and `/api/groups` with bounds and limits, over the socket."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from pointsman.kinds import Limit, Per
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import NANO, UsageRecord
from pointsman.link.messages import (
    ClientKeySpec,
    Reserve,
    Reserved,
    Settle,
    SpentFound,
    SpentQuestion,
    UsageBatch,
)
from pointsman.secret import Secret

from .plane import Plane, Worker

LIMITS = {"budget_money": 2.5, "budget_tokens": 9000, "per": "day", "zone": "Europe/Berlin", "warn": 60}
RATES = {"rate_requests": 60, "rate_tokens": 100_000, "parallel": 3}


def spec_of(worker: Worker, number: int) -> ClientKeySpec:
    return next(key for key in worker.snapshot.client_keys if key.id == number)


def test_what_a_key_may_use_is_stored_shown_and_served_by(plane: Plane, worker: Worker) -> None:
    bounds = {
        "models": ["gpt-*", "local/box:*"], "paths": ["/v1/chat/*"], "local_only": True, "owner": "ann", "note": "ci",
        "expires_at": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    made = plane.good("POST", "/api/keys", {"name": "b", **bounds, **LIMITS, **RATES}, 201)
    shown = plane.good("GET", f"/api/keys/{made['id']}")
    for name, value in {**bounds, **LIMITS, **RATES}.items():
        assert shown[name] == value, name
    assert next(iter(shown)) == "id"
    assert shown["spent"]["tokens"] == 0
    assert shown["spent"]["period_end"] > shown["spent"]["period_start"]
    spec = spec_of(worker, made["id"])
    assert (spec.models, spec.paths, spec.local_only) == (("gpt-*", "local/box:*"), ("/v1/chat/*",), True)
    assert spec.until == datetime(2099, 1, 1, tzinfo=UTC).timestamp()
    whose = f"key/{made['id']}"
    assert {limit.kind: limit.most for limit in worker.snapshot.limits if limit.whose == whose} == {
        Limit.MONEY: 2_500_000_000, Limit.TOKENS: 9000, Limit.REQUESTS: 60, Limit.TOKEN_RATE: 100_000,
        Limit.PARALLEL: 3,
    }  # fmt: skip


def test_what_is_not_named_stays_and_null_takes_away(plane: Plane, worker: Worker) -> None:
    made = plane.good("POST", "/api/keys", {"name": "c", **LIMITS, **RATES}, 201)
    path = f"/api/keys/{made['id']}"
    changed = plane.good("PATCH", path, {"budget_tokens": 5, "rate_tokens": None})
    assert (changed["budget_tokens"], changed["rate_tokens"], changed["budget_money"]) == (5, None, 2.5)
    plane.good(
        "PATCH", path, {"budget_money": None, "budget_tokens": None, "rate_requests": None, "parallel": None}
    )
    assert not [limit for limit in worker.snapshot.limits if limit.whose == f"key/{made['id']}"]
    assert plane.good("GET", path)["spent"] is None


def test_a_rotated_key_is_good_beside_the_new_one_for_the_time_of_grace(plane: Plane, worker: Worker) -> None:
    made = plane.good("POST", "/api/keys", {"name": "d"}, 201)
    new = plane.good("POST", f"/api/keys/{made['id']}/rotate", {"grace_seconds": 60}, 200)
    spec = spec_of(worker, made["id"])
    digests = [hmac.digest(worker.snapshot.pepper, one["secret"].encode(), "sha256") for one in (made, new)]
    assert [spec.before, spec.digest] == digests
    away = datetime.fromisoformat(new["grace_until"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < away <= timedelta(seconds=60)
    assert (new["id"], new["prefix"]) == (made["id"], new["secret"][:8])
    plane.good("DELETE", f"/api/keys/{made['id']}", status=204)
    assert all(key.id != made["id"] for key in worker.snapshot.client_keys), "neither is good any more"
    for method, path, body in (
        ("PATCH", f"/api/keys/{made['id']}", {"name": "x"}),
        ("POST", f"/api/keys/{made['id']}/rotate", None),
    ):
        assert "revoked" in plane.problem(method, path, body, status=409)["detail"]


def test_groups_share_limits_and_go_when_nobody_is_in_them(plane: Plane, worker: Worker) -> None:
    group = plane.good("POST", "/api/groups", {"name": "team-a", **LIMITS}, 201)
    plane.problem("POST", "/api/groups", {"name": "team-a"}, status=409)
    made = plane.good("POST", "/api/keys", {"name": "e", "group": "team-a"}, 201)
    assert plane.good("GET", "/api/groups/team-a")["keys"] == [made["id"]]
    assert spec_of(worker, made["id"]).group == group["id"]
    limit = LimitSpec(f"group/{group['id']}", Limit.TOKENS, 9000, Per.DAY, "Europe/Berlin", 60)
    assert limit in worker.snapshot.limits
    assert "key update ID --no-group" in plane.problem("DELETE", "/api/groups/team-a", status=409)["detail"]
    assert plane.problem("POST", "/api/keys", {"group": "nobody"}, status=404)["param"] == "group"
    plane.good("PATCH", "/api/groups/team-a", {"name": "team-b"})
    assert plane.good("GET", f"/api/keys/{made['id']}")["group"] == "team-b"
    plane.good("PATCH", f"/api/keys/{made['id']}", {"group": None})
    plane.good("DELETE", "/api/groups/team-b", status=204)
    plane.problem("GET", "/api/groups/team-b", status=404)
    assert limit not in worker.snapshot.limits


def test_what_was_spent_is_read_from_the_log(plane: Plane, worker: Worker) -> None:
    plane.good("POST", "/api/groups", {"name": "spenders", "budget_tokens": 10**6}, 201)
    keys = [
        plane.good(
            "POST", "/api/keys", {"group": "spenders", "budget_tokens": 10**6, "budget_money": 1.0}, 201
        )["id"]
        for _ in range(2)
    ]
    now = datetime.now(UTC).timestamp()
    records = [
        UsageRecord(
            id=f"req_spent{key:05d}{number:08x}", at=now, protocol="openai_chat", path="/v1/chat/completions", model="m",
            target="openai:m", attempts=1, fallback=None, status=200, outcome="ok", stream=False,
            input_tokens=100, output_tokens=key, key_id=key, request=f"req_spent{key:05d}{number:08x}", cost=1_000_000,
        )
        for key in keys
        for number in range(3)
    ]  # fmt: skip
    worker.send(UsageBatch(7001, block_of(records)))
    worker.wait(lambda: 7001 in worker.acks)
    spent = [plane.good("GET", f"/api/keys/{key}")["spent"] for key in keys]
    assert [one["tokens"] for one in spent] == [300 + 3 * key for key in keys]
    assert [one["money"] for one in spent] == [0.003, 0.003]
    assert plane.good("GET", "/api/groups/spenders")["spent"]["tokens"] == sum(one["tokens"] for one in spent)


def test_a_provider_gets_a_budget_without_its_key_being_said_again(plane: Plane, worker: Worker) -> None:
    plane.good("PUT", "/api/credentials/openai/paid", {"api_key": "sk-kept", "max_in_flight": 7})
    path = "/api/credentials/openai/paid"
    changed = plane.good("PATCH", path, {"budget_money": 20, "per": "day", "warn": 90})
    assert (changed["budget_money"], changed["max_in_flight"]) == (20, 7)
    assert changed["spent"] == {**changed["spent"], "money": 0.0, "tokens": 0}
    limit = LimitSpec(
        "backend/openai/paid", Limit.MONEY, most=20 * NANO, per=Per.DAY, zone=changed["zone"], warn=90
    )
    assert limit in worker.snapshot.limits
    spec = next(one for one in worker.snapshot.backends if one.key == "openai/paid")
    assert spec.api_key == Secret("sk-kept")
    for body in ({"base_url": "https://evil.example"}, {"api_key": "sk-2"}, {"allow_http": True}):
        plane.problem("PATCH", path, body, status=422)
    plane.good("PATCH", path, {"budget_money": None})
    assert limit not in worker.snapshot.limits
    plane.problem("PATCH", "/api/credentials/openai/nobody", {"warn": 50}, status=404)


def test_explain_says_that_a_providers_budget_is_spent(plane: Plane, worker: Worker) -> None:
    plane.good("PUT", "/api/credentials/openai/dear", {"api_key": "sk-1", "budget_tokens": 10, "per": "day"})
    plane.good("PUT", "/api/credentials/openai/other", {"api_key": "sk-1"})
    rule = {
        "model_pattern": "dear*", "backend_type": "openai", "backend_name": "dear", "fallbacks": [
            {"backend_type": "openai", "backend_name": "other"}, {"backend_type": "local", "backend_name": "practice"},
        ],
    }  # fmt: skip
    plane.good("POST", "/api/mappings", rule, 201)

    def usable() -> list[bool]:
        return [one["usable"] for one in plane.good("GET", "/api/explain?model=dear-1")["targets"]]

    assert usable() == [True, True, True]
    record = UsageRecord(
        id="req_dear0000000000001", at=datetime.now(UTC).timestamp(), protocol="openai_chat", path="/v1/chat/completions",
        model="dear-1", target="openai/dear:dear-1", attempts=1, fallback=None, status=200, outcome="ok", stream=False,
        input_tokens=9, output_tokens=1, request="req_dear0000000000001",
    )  # fmt: skip
    worker.send(UsageBatch(7300, block_of([record])))
    worker.wait(lambda: 7300 in worker.acks)
    assert usable() == [False, False, True]
    first, second, _ = plane.good("GET", "/api/explain?model=dear-1")["targets"]
    assert "its budget of 10 tokens a day is spent" in first["reason"]
    assert first["passed_over_until"] is not None
    assert "only models on this computer" in second["reason"]


def test_a_data_plane_is_told_what_was_spent_with_all_that_it_sent_before(
    plane: Plane, worker: Worker
) -> None:
    key = plane.good("POST", "/api/keys", {"budget_tokens": 10**6}, 201)["id"]
    now = datetime.now(UTC).timestamp()
    for number in range(3):
        name = f"req_asked{key:05d}{number:08x}"
        record = UsageRecord(
            id=name, at=now, protocol="openai_chat", path="/v1/chat/completions", model="m", target="local/a:m",
            attempts=1, fallback=None, status=200, outcome="ok", stream=False, input_tokens=70, output_tokens=7,
            key_id=key, request=name,
        )  # fmt: skip
        worker.send(UsageBatch(7100 + number, block_of([record])))
    found = worker.ask(
        SpentQuestion(9, ((f"key/{key}", Limit.TOKENS, None), (f"key/{key}", Limit.TOKENS, now + 60)))
    )
    assert found == SpentFound(9, (3 * 77, 0))


def test_two_processes_share_a_budget(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane()
    key = plane.good("POST", "/api/keys", {"budget_tokens": 100, "parallel": 2}, 201)["id"]
    whose = f"key/{key}"

    def want(tokens: int) -> tuple[tuple[str, Limit, int], ...]:
        return ((whose, Limit.TOKENS, tokens), (whose, Limit.PARALLEL, 1))

    with Worker(plane, 0, 11) as first, Worker(plane, 1, 12) as second:
        assert refused(first.ask(Reserve(1, want(60), hold=True))) is None
        looked = refused(second.ask(Reserve(1, want(50), hold=False)))
        assert looked is not None
        assert (looked[0].kind, looked[1]) == (Limit.TOKENS, 40)
        assert refused(second.ask(Reserve(2, want(40), hold=True))) is None
        at_once = refused(second.ask(Reserve(3, want(0), hold=True)))
        assert at_once is not None
        assert at_once[0].kind is Limit.PARALLEL
        second.send(Settle(2, {"tokens": 15}))
        second.send(Settle(2, {"tokens": 15}))  # twice is once
        assert refused(second.ask(Reserve(4, want(25), hold=True))) is None
        second.send(Settle(4, {"tokens": 25}))
        assert refused(second.ask(Reserve(5, want(1), hold=True))) is not None, (
            "60 are promised, 40 are spent"
        )
        first.send(Settle(1, {}))
        found = second.ask(Reserve(6, want(60), hold=True))
        assert refused(found) is None
        assert isinstance(found, Reserved)
        assert {limit.kind: left for limit, left, _ in found.seen} == {Limit.TOKENS: 0, Limit.PARALLEL: 1}


def refused(answer: object) -> tuple[LimitSpec, int, float | None] | None:
    assert isinstance(answer, Reserved)
    assert answer.able
    return answer.refused


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        ({"budget_money": 0}, "budget_money", "greater than 0"),
        ({"budget_money": "5"}, "budget_money", "number"),
        ({"budget_tokens": 1.5}, "budget_tokens", "integer"),
        ({"per": "fortnight"}, "per", "'hour', 'day', 'week', 'month' or 'total'"),
        ({"zone": "Mars/Olympus"}, "zone", "no time zone"),
        ({"warn": 0}, "warn", "greater than or equal to 1"),
        ({"models": [""]}, "models.0", "empty"),
        ({"paths": ["v1/chat"]}, "paths.0", "begins with /"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at", "time zone"),
        ({"rate_requests": -1}, "rate_requests", "greater than or equal to 1"),
        ({"note": "x" * 501}, "note", "at most 500"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_with_what_to_write(
    plane: Plane, body: dict[str, object], param: str, word: str
) -> None:
    problem = plane.problem("POST", "/api/keys", body, status=422)
    assert problem["param"] == param
    assert word in problem["detail"]
