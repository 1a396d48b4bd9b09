"""Is a backend there, and does its key work? One cheap authenticated call (list models), told step by step; and, only when
it is asked for, one token of a model.

For `credential test`, `local test`, `doctor` and the Backends page. Not the health of a request's way.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from ..config import local_host
from ..dialects.registry import DIALECTS
from ..errors import PointsmanError
from ..kinds import BackendType
from ..providers.catalog import CATALOG
from ..providers.proxies import Proxies
from ..routing.specs import BackendSpec
from ..wire.answer import Answer
from .backend import Backend
from .egress import ConnectFailed, EgressRefused
from .fetch import model_names
from .one_token import TokenAsked, one_token
from .pool import Pool
from .watched import WatchedEgress

_SAID = 200
"""Characters of what a backend says of a refused key."""


@dataclass(slots=True)
class Step:
    """One step. name: dns | tcp | proxy | tls | auth | models | token. word: what came of it, in two or three. detail: what
    was seen, with the fix when it failed."""

    name: str
    ok: bool
    detail: str
    ms: float
    word: str = ""


@dataclass(slots=True)
class ProbeResult:
    """ok: every step worked. models: the names it lists. token: that was asked for, where an answer came."""

    ok: bool
    steps: list[Step] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    token: TokenAsked | None = None


def _unheard(step: Step) -> None:
    """Nobody wants the steps one by one."""


async def probe(
    spec: BackendSpec,
    *,
    connect_seconds: float = 5.0,
    answer_seconds: float = 10.0,
    token_of: str | None = None,
    heard: Callable[[Step], None] = _unheard,
) -> ProbeResult:
    """Try the proxy, DNS, TCP, TLS, the key and the model list, each said apart. token_of: a model that is then asked for
    one token, which may cost. heard: told each step when it has ended. Never raises for a backend's fault, but
    PointsmanError where the environment's proxies cannot be read."""
    one = _Probe(heard)
    try:
        backend = Backend(spec)
    except ValueError as error:
        one.tell("dns", False, f"the row cannot be used: {error}", 0.0, "Cannot be used")
        return one.result
    proxies = Proxies.from_environment(os.environ)
    egress = WatchedEgress(connect_seconds, proxies=proxies, local_host=local_host())
    pool = Pool(egress)
    try:
        if await one.reach(egress, backend) and await one.ask(pool, backend, answer_seconds) and token_of:
            await one.take_a_token(pool, backend, token_of)
    finally:
        pool.close()
        await asyncio.sleep(0)  # lets the transports close before the loop may end
    result = one.result
    result.ok = bool(result.steps) and all(step.ok for step in result.steps)
    return result


class _Probe:
    def __init__(self, heard: Callable[[Step], None]) -> None:
        self.result = ProbeResult(ok=False)
        self._heard = heard

    def tell(self, name: str, ok: bool, detail: str, ms: float, word: str) -> bool:
        """ok, for whoever goes on only then."""
        step = Step(name, ok, detail, ms, word)
        self.result.steps.append(step)
        self._heard(step)
        return ok

    async def reach(self, egress: WatchedEgress, backend: Backend) -> bool:
        """As far as a connection on which the key may be said."""
        url, proxy = backend.url, egress.proxy_of(backend)
        by, connected = ("tcp", "connected") if proxy is None else ("proxy", f"a way to it through {proxy}")
        started = time.monotonic()
        if url is not None and proxy is None:
            try:
                addresses = await egress.resolve(backend)
            except ConnectFailed as error:
                fix = "; check the name in the base URL"
                return self.tell("dns", False, error.public + fix, _ms(started), "Name not found")
            word = "Name found" if url.address is None else "Address as written"
            self.tell("dns", True, ", ".join(addresses[:4]), _ms(started), word)
        started = time.monotonic()
        try:
            (await egress.open(backend, lambda conn: None)).close()
        except EgressRefused as error:
            return self.tell(by, False, error.public, _ms(started), "Not allowed")
        except ConnectFailed as error:
            if error.step == "tls":
                self.tell(by, True, connected, _ms(started, egress.judged), "Connected")
            here = error.step == "tcp" and backend.local and url
            fix = "; is the server running on that port?" if here else ""
            word = _NOT_REACHED.get(error.step, "Not connected")
            began = egress.judged if error.step == "tls" else started
            return self.tell(error.step, False, error.public + fix, _ms(began), word)
        encrypted = url is not None and url.scheme == "https"
        stood = egress.judged if encrypted and proxy is None else time.monotonic()
        self.tell(by, True, connected, _ms(started, stood), "Connected")
        if encrypted:
            until = "" if egress.good_until is None else f", until {_day(egress.good_until)}"
            self.tell("tls", True, f"certificate accepted{until}", _ms(stood), "Certificate valid")
        return True

    async def ask(self, pool: Pool, backend: Backend, seconds: float) -> bool:
        """For its models, with its key."""
        started = time.monotonic()
        try:
            answer, names = await model_names(pool, backend, seconds)
        except PointsmanError as error:
            return self.tell("models", False, error.public, _ms(started), "No answer")
        took, keyed = _ms(started), backend.spec.api_key is not None
        if answer.status in (401, 403):
            detail = f"it refused the key ({answer.status}){_said(backend, answer)}; set a valid one"
            word = f"Key refused ({answer.status})" if keyed else f"It wants a key ({answer.status})"
            return self.tell("auth", False, detail, took, word)
        detail = "accepted" if keyed else "no key stored, none asked for"
        self.tell("auth", True, detail, took, "Key accepted" if keyed else "No key needed")
        if names is None:
            url = backend.url_of("/v1/models") or "/v1/models"
            detail = f"{url} answered {answer.status}, not a model list"
            better = await _under_v1(pool, backend, seconds)
            if better:
                detail += f"; there is one under {better}: set that as the base URL"
            return self.tell("models", False, detail, took, "No list of models")
        self.result.models = names
        return self.tell("models", True, f"{len(names)} models", took, "Models listed")

    async def take_a_token(self, pool: Pool, backend: Backend, model: str) -> None:
        """The shortest request there is, in a protocol that it speaks."""
        started = time.monotonic()
        try:
            asked = self.result.token = await one_token(pool, backend, model)
            if asked.problem is not None:
                raise asked.problem
        except PointsmanError as error:
            self.tell("token", False, backend.mask.text(error.public), _ms(started), "No token")
            return
        self.tell("token", True, backend.mask.text(asked.words), _ms(started), "One token came")


_NOT_REACHED = {"tls": "Certificate refused", "proxy": "The proxy does not connect"}
"""By the step at which it ended."""


def _said(backend: Backend, answer: Answer) -> str:
    """What it says of its refusal, in its own words."""
    if not answer.body:
        return ""
    dialect = DIALECTS[CATALOG[BackendType(backend.spec.type)].dialects[0]]
    words = backend.mask.text(dialect.parse_error(answer.status, answer.body).public)
    return f": {words[:_SAID].rstrip('.')}"


async def _under_v1(pool: Pool, backend: Backend, seconds: float) -> str:
    """Where the path of a base URL is not all of it: the same with `/v1`, if that has a list of models."""
    base = backend.spec.base_url
    if backend.url is None or not backend.url.path or backend.url.path.endswith("/v1") or backend.url.query:
        return ""
    longer = Backend(msgspec.structs.replace(backend.spec, base_url=f"{base}/v1"))
    try:
        _, names = await model_names(pool, longer, seconds)
    except PointsmanError:
        return ""
    return longer.spec.base_url if names is not None else ""


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _ms(started: float, ended: float | None = None) -> float:
    return max(0.0, round(((time.monotonic() if ended is None else ended) - started) * 1000, 1))
