"""The small enums and names that everything shares. Imports nothing of ours and does nothing."""

from __future__ import annotations

import re
from enum import Enum, StrEnum
from typing import TypeVar

E = TypeVar("E", bound=Enum)


def at_hand(kind: type[E]) -> type[E]:
    """Its members as plain attributes, as Python 3.12 has them: 3.11 calls a function whenever one is named, which costs a
    thousand instructions. Those that are text hash as the text that they are equal to, and not by another function. For what
    is named in every request."""
    for name, member in kind.__members__.items():
        type.__setattr__(kind, name, member)
    if str in kind.__mro__:
        type.__setattr__(kind, "__hash__", str.__hash__)
    return kind


@at_hand
class BackendType(StrEnum):
    """Where a request may go. The value, never the member's name, stands in JSON and in the database."""

    LOCAL = "local"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@at_hand
class Protocol(StrEnum):
    """What a client or a backend speaks."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    OLLAMA = "ollama"


BACKEND_PROTOCOLS = tuple(protocol for protocol in Protocol if protocol is not Protocol.OLLAMA)
"""In which backends are spoken to: Ollama's own API is for clients, and Ollama itself has OpenAI's and Anthropic's."""


@at_hand
class AuthScheme(StrEnum):
    """Which header carries a backend's key."""

    BEARER = "bearer"  # Authorization: Bearer KEY
    X_API_KEY = "x-api-key"  # x-api-key: KEY
    API_KEY = "api-key"  # api-key: KEY (Azure)
    NONE = "none"


@at_hand
class ErrorKind(StrEnum):
    """What went wrong, as a small set: a metric's label and the key of every dialect's error table."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NOT_RECORDED = "not_recorded"  # a recording has no answer for the request
    MODEL_NOT_FOUND = "model_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    INVALID = "invalid"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    NOT_IMPLEMENTED = "not_implemented"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UNAVAILABLE = "unavailable"
    CONTEXT_LENGTH = "context_length"  # the input does not fit the model's window
    BILLING = "billing"  # the account behind the key has no credit
    OVERLOADED = "overloaded"  # the upstream has too much to do


@at_hand
class FallbackReason(StrEnum):
    """Why a target was left for the next one (docs/design.md#what-answers-say-of-themselves,
    `x-pointsman-fallback`)."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    UPSTREAM_ERROR = "upstream_error"
    EMPTY = "empty"
    MALFORMED = "malformed"
    AUTH = "auth"
    BUDGET = "budget"  # what may be spent there is spent
    STUCK = "stuck"  # the conversation did not get on there
    CONTEXT = "context"  # the input does not fit its window
    REFUSAL = "refusal"  # its model said that it will not
    ABILITY = "ability"  # it cannot see the request's pictures, or call its tools
    MISS = "miss"  # the recording has no answer for it


@at_hand
class FallbackOn(StrEnum):
    """What a target can do nothing about, and a rule may all the same leave to the next one. A member here is a word of the
    API and of `--fallback-on`."""

    CONTEXT = "context"  # the input does not fit the model's window
    REFUSAL = "refusal"  # the model says that it will not
    BUSY = "busy"  # every place at the backend is taken
    COLD = "cold"  # its engine does not run, or its model is not loaded
    ABILITY = "ability"  # it cannot see the request's pictures, or call its tools
    STUCK = "stuck"  # the conversation does not get on there
    MISS = "miss"  # the recording has no answer for the request


class Customs(StrEnum):
    """What is done about a credential in a request to a backend that is not local, from the mildest on. A member here is a
    word of the API and of `--customs`."""

    WARN = "warn"  # it goes, and that is told
    MASK = "mask"  # a placeholder goes in its place, and comes back as what it was
    REFUSE = "refuse"  # the request does not go


@at_hand
class Limit(StrEnum):
    """What a limit counts."""

    MONEY = "money"
    TOKENS = "tokens"
    REQUESTS = "requests"  # a minute
    TOKEN_RATE = "token_rate"  # tokens a minute
    PARALLEL = "parallel"  # requests at once


@at_hand
class Per(StrEnum):
    """The period of a budget. A member here is a word of the API and of `--per`."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"  # in all


@at_hand
class Topic(StrEnum):
    """What a webhook may be told of. A member here is a word of the API and of `--on`; an event's name begins with it."""

    BUDGET = "budget"  # budget.warned, budget.reached
    BACKEND = "backend"  # backend.down, backend.up
    KEY = "key"  # key.refused


OTHER = "other"
"""In labels of metrics a name that is not in the configuration: what clients choose makes no new series."""
NONE = "none"
"""In labels where there is none: no rule was needed, no target was asked."""
PRACTICE = "practice"
"""Name of the built-in local backend and of its model; `practice:<fault>` plays a fault."""

BACKEND_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Names of backends (docs/design.md#names-of-backends); match with fullmatch."""
REPLAY = "replay/"
"""How the key of a recording begins, as a backend (docs/replay.md); in a row it is the name of one of type `local`."""
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
"""Names of gateways that share a PostgreSQL (docs/scale.md#nodes)."""
NODE = "node/"
"""How the label of a target begins that another node has: `node/n1/box:qwen3` is `local/box` of n1. And how a rule names
a node itself: `node/n1` is what `local` is on n1."""
ANY_NODE = "node/*"
"""In a rule: this node's own local servers where one lists the model, else a node that has one which does."""
RECORDING_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,56}")
"""Names of recordings: with REPLAY before it, as long as a backend's may be."""


def backend_key(backend_type: BackendType, name: str) -> str:
    """`openai`, `openai/groq`, `local/box`: how a backend is written everywhere."""
    if name.startswith((REPLAY, NODE)):
        return name
    return f"{backend_type.value}/{name}" if name else backend_type.value


def key_of_label(label: str) -> str:
    """The backend's key, of a target's label: what another node has goes by its own name in rules."""
    named = label.partition(":")[0]
    return f"{BackendType.LOCAL.value}/{named.rpartition('/')[2]}" if named.count("/") > 1 else named


def is_local_backend(key: str) -> bool:
    """Is the backend of that key, or the target of that label, one of this computer or network, or a recording?"""
    return key.partition("/")[0] in _LOCAL


_LOCAL = (BackendType.LOCAL.value, REPLAY[:-1])


def is_provider(key: str) -> bool:
    """Is the backend of that key somebody else's, neither of this computer or network nor of one of the nodes?"""
    return not is_local_backend(key) and not key.startswith(NODE)


def parse_backend_key(text: str) -> tuple[BackendType, str]:
    """`local/box` -> (LOCAL, "box"), `replay/demo` -> (LOCAL, "replay/demo"). Raises ValueError with what to write
    instead."""
    type_text, slash, name = text.partition("/")
    if text.startswith(REPLAY):
        if not RECORDING_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no recording's name; see: pointsman recording list")
        return BackendType.LOCAL, text
    if text.startswith(NODE):
        if text != ANY_NODE and not NODE_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no node's name; see: pointsman node list; any of them is {ANY_NODE}"
            )
        return BackendType.LOCAL, text
    try:
        backend_type = BackendType(type_text)
    except ValueError:
        raise ValueError(
            f"{type_text!r} is not a backend type; write local, openai, anthropic, node or replay"
        ) from None
    if slash and not BACKEND_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a backend name; use lower-case letters, digits, '.', '_' and '-', at most 64"
        )
    return backend_type, name
