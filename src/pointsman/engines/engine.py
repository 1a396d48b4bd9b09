"""The words in which engines are described: their answers, their models, and the row of what is known of one.

Not here: the rows (a module an engine) and their order (registry.py); asking (upstream/model_facts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..kinds import Protocol

LIST = "/v1/models"
HEALTH = "/health"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. headers: by names in lower case. body: its JSON, decoded; None where it was none."""

    status: int
    headers: Mapping[str, str]
    body: Any = None


Answers = Mapping[str, Reply]
"""By Question.key, which is the path of a GET. Absent: nothing came."""
NOTHING = Reply(0, {})


@dataclass(frozen=True, slots=True)
class Question:
    """A GET, or the POST of a JSON body. model: whom it is about, where there is one for each."""

    path: str
    body: Mapping[str, Any] | None = None
    model: str = ""

    @property
    def key(self) -> str:
        """Under which its answer stands in Answers."""
        return f"{self.path} {self.model}" if self.model else self.path


@dataclass(frozen=True, slots=True)
class EngineModel:
    """What an engine says of a model; None is always: nobody has said.

    window: tokens that it really takes, in and out, as it is loaded (or will be: its file sets it). made_for: the most
    that it could be loaded with. loaded: is it in memory? elsewhere: where its requests are sent on to. abilities: all
    that it can, in Ollama's words (`completion`, `tools`, `vision`, `embedding`). generates: False of one that only
    makes embeddings."""

    name: str
    window: int | None = None
    made_for: int | None = None
    loaded: bool | None = None
    elsewhere: str | None = None
    images: bool | None = None
    audio: bool | None = None
    tools: bool | None = None
    abilities: frozenset[str] | None = None
    generates: bool = True

    @property
    def at_most(self) -> int | None:
        """The window, or what it can be at most while it is not loaded."""
        return self.window or self.made_for


class EngineState(StrEnum):
    """Of an engine that was asked whether it can serve."""

    READY = "ready"
    LOADING = "loading"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A protocol that it speaks. since: its first version that does; "" where all do that are in use."""

    protocol: Protocol
    since: str = ""


@dataclass(frozen=True, slots=True)
class Forwards:
    """How an engine tells that it sends a model's requests on to another machine; by the row's `models`, from the answer to
    `path` and to the row's `detail`.

    recognizes: is this the body of `path`? of_detail: where the body of `detail` says. by_name: does a model that is
    called so run elsewhere? place: where, in words. certain: an engine of this kind that does not say is taken to send
    on. worth: may the server with this list of models be one? text: why a model is refused behind a wall, with {model},
    {where} and {take}, which says what to do instead."""

    path: str
    recognizes: Callable[[Any], bool]
    of_detail: Callable[[Any], str | None]
    by_name: Callable[[str], bool]
    place: str
    certain: bool
    worth: Callable[[Any], bool]
    text: str


Place = tuple[str, int]
"""Host and port."""
Counting = Generator[Question, Any, int | None]
"""Counts the tokens of a request by questions, whose answers' JSON it is sent (None: there was none with status 200)."""


def _nowhere(environment: Mapping[str, str]) -> Sequence[Place]:
    return ()


def _no_version(answers: Answers) -> str | None:
    return None


def _no_doubt(answers: Answers) -> str | None:
    return None


def healthy(answers: Answers) -> EngineState:
    """Where 503 is told while a model is loaded."""
    loading = any(reply.status == 503 for reply in answers.values())
    return EngineState.LOADING if loading else alive(answers)


def alive(answers: Answers) -> EngineState:
    """Of one that has no word for loading, or whose 503 is its end."""
    seen = [reply.status for reply in answers.values()]
    return (
        EngineState.READY if 503 not in seen and any(200 <= one < 300 for one in seen) else EngineState.DEAD
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One row. name: as it stands in data; title: as it is written.

    ports: where it listens by habit. listens: where it does by the environment's variables. signs: GET paths by which
    it is known; facts: further ones that tell of its models; detail: what is asked of each of them. owners: values of
    `owned_by` in its list that hint at it. servers: how its `Server` header begins, in lower case.
    identify, models, state, version: read answers, and never raise, whatever stands in them.
    doubt: why one that was merely found may send requests on to another machine, in words; None where nothing says so.
    health: the path for `state`. ready_early: READY is said before the model is loaded; only an answer shows it.
    count: by its own tokenizer, of a request written in Chat. load: puts a model into memory.
    nameless: the name under which it serves the model that it was started with, where its list has none.
    any_name: it serves its one model under whatever name it is asked for. untrue: protocols that it has paths for, and
    whose answers there are not what their clients read (docs/protocols/engines.md#paths-that-are-not-used).

    Habits (docs/protocols/engines.md#habits). unheeding: it computes a whole answer to its end whoever has left.
    cuts_silently: an input that does not fit is cut, with status 200. reports_overflow: it answers such an input with an
    error. drops_images_silently: for a model without eyes. takes: in Chat and Completions, of what a rule may set: fields of
    conversation/profile.py with other values than any local server has. own: this gateway's own kind, which is no engine."""

    name: str
    title: str
    identify: Callable[[Answers], bool]
    models: Callable[[Answers], list[EngineModel]]
    signs: tuple[str, ...]
    facts: tuple[str, ...] = (LIST,)
    detail: Callable[[str], Question] | None = None
    ports: tuple[int, ...] = ()
    listens: Callable[[Mapping[str, str]], Sequence[Place]] = _nowhere
    owners: frozenset[str] = frozenset()
    servers: tuple[str, ...] = ()
    health: str = HEALTH
    state: Callable[[Answers], EngineState] = healthy
    ready_early: bool = False
    version: Callable[[Answers], str | None] = _no_version
    doubt: Callable[[Answers], str | None] = _no_doubt
    spoken: tuple[Spoken, ...] = ()
    untrue: frozenset[Protocol] = frozenset()
    count: Callable[[Mapping[str, Any]], Counting] | None = None
    load: Callable[[str], Question] | None = None
    forwards: Forwards | None = None
    nameless: str = ""
    any_name: bool = False
    unheeding: bool = False
    cuts_silently: bool = False
    reports_overflow: bool = False
    drops_images_silently: bool = False
    takes: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """All GET paths that identify it and tell of its models."""
        return tuple(dict.fromkeys((*self.signs, *self.facts)))

    def dialects(self, version: str | None) -> frozenset[Protocol]:
        """What one of that version speaks, truly. Of an unknown version: what all do that are in use."""
        said = frozenset(one.protocol for one in self.spoken if not one.since or _reached(version, one.since))
        return said - self.untrue


def _reached(version: str | None, since: str) -> bool:
    return version is not None and _numbers(version) >= _numbers(since)


def _numbers(version: str) -> list[int]:
    """The numbers at its beginning: `0.17.4-rc1` is 0, 17, 4."""
    found: list[int] = []
    for part in version.strip().lstrip("v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits[:9]))
        if digits != part:
            break
    return found
