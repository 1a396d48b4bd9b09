"""What a column may hold: types with their checks, each of which says what to do. Used by the
declarations in tables.py. Not here: checks of more than one field (schemas.py).
"""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, Strict, WithJsonSchema

from ...conversation.presets import checked
from ...customs.own_patterns import LONGEST, NAME, own_rule
from ...customs.rules import KINDS
from ...kinds import (
    BACKEND_NAME,
    BACKEND_PROTOCOLS,
    NODE,
    NODE_NAME,
    PRACTICE,
    RECORDING_NAME,
    REPLAY,
    BackendType,
    FallbackOn,
    Protocol,
    Topic,
    parse_backend_key,
)
from ...ledger.periods import zone_of
from ...providers.proxies import parse_setting
from ...providers.urls import check_base_url, parse_base_url
from ...routing.conditions import MOST_CONDITIONS, normal
from ...wire.origins import parse_origin
from .shapes import Input

PATTERN_LENGTH = 256
KEY_LENGTH = 8192
NAME_LENGTH = 64
NOTE_LENGTH = 500
PRIORITY_LIMIT = 1_000_000
MAX_ID = 2**63 - 1
"""SQLite's largest integer: no row has a larger id, and the driver does not take one."""


class OriginSource(StrEnum):
    """Who let a web origin in."""

    STORED = "stored"
    OPTION = "option"
    ENVIRONMENT = "environment"


def _plain_text(text: str, what: str) -> str:
    if not text:
        raise ValueError(f"{what} is empty; write a model name such as gpt-4o or a pattern such as gpt-*")
    if len(text) > PATTERN_LENGTH:
        raise ValueError(f"{what} has {len(text)} characters; at most {PATTERN_LENGTH} are allowed")
    if _unseen(text):
        raise ValueError(f"{what} holds a control or invisible character; remove it")
    if text != text.strip():
        raise ValueError(f"{what} begins or ends with a space; remove it")
    return text


def _unseen(text: str) -> bool:
    """Cc control, Cf invisible, Cs half characters, Zl and Zp line ends: none is seen, so none is meant."""
    return any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)


def _pattern(text: str) -> str:
    return _plain_text(text, "the model pattern")


def _model(text: str) -> str:
    return _plain_text(text, "the model name")


def _backend_name(text: str) -> str:
    if text and not BACKEND_NAME.fullmatch(text):
        raise ValueError(
            f"{text[:NAME_LENGTH]!r} is not a name; use lower-case letters, digits, '.', '_' and '-',"
            f" at most {NAME_LENGTH}, beginning with a letter or digit"
        )
    return text


def _node_name(text: str) -> str:
    if not NODE_NAME.fullmatch(text):
        raise ValueError("a node's name is up to 63 letters, digits, dots, dashes and underscores")
    return text


def _target_name(text: str) -> str:
    """A recording is a local backend of the name `replay/NAME`; a node is one of `node/NAME`, and any node of `node/*`."""
    if text.startswith((REPLAY, NODE)):
        try:
            return parse_backend_key(text)[1]
        except ValueError as error:
            raise ValueError(str(error)) from None
    return _backend_name(text)


def _local_name(text: str) -> str:
    if not text:
        raise ValueError("a local backend needs a name, such as box")
    if text == PRACTICE:
        raise ValueError(f"{PRACTICE} is the built-in backend's name; choose another")
    return _backend_name(text)


def _api_key(text: str) -> str:
    key = text.strip()  # a pasted line end is not part of a key
    if not key:
        raise ValueError("the API key is empty; paste the key")
    if len(key) > KEY_LENGTH:
        raise ValueError(f"the API key is longer than {KEY_LENGTH} characters")
    if not all("!" <= char <= "~" for char in key):
        raise ValueError(
            "the API key holds a space or a character that cannot stand in a header; paste it again"
        )
    return key


def _base_url(text: str) -> str:
    return parse_base_url(text).text


def _ca_file(text: str) -> str:
    from ...upstream.trust import ca_problem  # TLS, which nobody else needs to read a row

    problem = ca_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _spoken(protocol: Protocol) -> Protocol:
    if protocol not in BACKEND_PROTOCOLS:
        raise ValueError(f"no backend is spoken to in {protocol}; name its OpenAI or Anthropic protocol")
    return protocol


def _dialects(values: list[Protocol]) -> list[Protocol]:
    if not values:
        raise ValueError("dialects is empty; name at least one, or leave it out")
    return list(dict.fromkeys(values))


def _origin(text: str) -> str:
    try:
        return parse_origin(text)
    except ValueError as error:
        raise ValueError(f"the origin {error}") from None


def _shadow(text: str) -> str:
    backend, colon, model = text.partition(":")
    kind, slash, name = backend.partition("/")
    if kind != BackendType.LOCAL.value or (slash and not name):
        raise ValueError(
            f"{text[:PATTERN_LENGTH]!r} is no local target; a shadow is asked on this computer alone: write local/NAME, or"
            " local/NAME:MODEL"
        )
    _backend_name(name)
    if colon:
        _model(model)
    return text


def _key_name(text: str) -> str:
    if len(text) > NAME_LENGTH:
        raise ValueError(f"the name has {len(text)} characters; at most {NAME_LENGTH} are allowed")
    if _unseen(text):
        raise ValueError("the name holds a control or invisible character; remove it")
    return text.strip()


def _place(text: str) -> str:
    name = text.strip().lower()
    if not name or len(name) > NAME_LENGTH or _unseen(name):
        raise ValueError(
            f"{text[:NAME_LENGTH]!r} is neither a backend, such as openai/groq or local/box, nor a provider of the list"
        )
    return name


def _tier(text: str) -> str:
    if len(text) > _WORD or not all(char.isalnum() or char in "_-" for char in text):
        raise ValueError("a tier is one word, as answers tell it: flex, priority, fast, batch")
    return text.lower()


def _price_day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise ValueError(f"{text[:_WORD]!r} is no day; write it as 2026-11-27") from None


_WORD = 32


def _group_name(text: str) -> str:
    if not text:
        raise ValueError("a group needs a name, such as team-a")
    return _backend_name(text)


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("the moment has no time zone; write it as 2026-12-01T08:00:00Z")
    return value


def _pattern_name(text: str) -> str:
    if not NAME.fullmatch(text) or text in KINDS:
        raise ValueError(
            "a pattern's name is of a-z, 0-9, - and _, begins with a letter, and is no built-in kind's"
        )
    return text


def _own_pattern(text: str) -> str:
    own_rule("", text)
    return text


def _note(text: str) -> str:
    if len(text) > NOTE_LENGTH:
        raise ValueError(f"the note has {len(text)} characters; at most {NOTE_LENGTH} are allowed")
    if _unseen(text):
        raise ValueError("the note holds a control or invisible character; remove it")
    return text.strip()


def _zone(name: str) -> str:
    zone_of(name)
    return name


def _path(text: str) -> str:
    if not text.startswith(("/", "*")) or len(text) > PATTERN_LENGTH or _unseen(text):
        raise ValueError("a path begins with /, such as /v1/chat/completions or /v1/*")
    return text


def _webhook_url(text: str) -> str:
    parts = urlsplit(text)
    try:
        check_base_url(BackendType.LOCAL, parse_base_url(f"{parts.scheme}://{parts.netloc}"), False)
    except ValueError as error:
        if parts.scheme.lower() == "http" and parts.netloc:
            raise ValueError("plain http is for this computer and its own network; write https") from None
        raise ValueError(str(error).replace("base URL", "webhook's URL")) from None
    if parts.fragment or len(text) > _LONGEST_URL or not all("!" <= char <= "~" for char in text):
        raise ValueError("the webhook's URL holds a fragment (#), or what cannot stand in a URL")
    return text


_LONGEST_URL = 2000


def _said(**keywords: JsonValue) -> Any:
    """What the API's document says of a check that has words of its own."""
    return Field(json_schema_extra=keywords)


_TEXT = _said(minLength=1, maxLength=PATTERN_LENGTH, examples=["gpt-4o", "gpt-*"])
_NAME = BACKEND_NAME.pattern

Pattern = Annotated[str, AfterValidator(_pattern), _TEXT]
ModelName = Annotated[str, AfterValidator(_model), _TEXT]
BackendName = Annotated[str, AfterValidator(_backend_name), _said(pattern=f"^(?:{_NAME})?$")]
_OTHERS = rf"{REPLAY}{RECORDING_NAME.pattern}|{NODE}(?:{NODE_NAME.pattern}|\*)"
TargetName = Annotated[str, AfterValidator(_target_name), _said(pattern=f"^(?:{_NAME}|{_OTHERS})?$")]
NodeName = Annotated[
    str, AfterValidator(_node_name), _said(pattern=f"^(?:{NODE_NAME.pattern})$", examples=["n1"])
]
LocalName = Annotated[str, AfterValidator(_local_name), _said(pattern=f"^(?:{_NAME})$", examples=["box"])]
ApiKey = Annotated[
    str, AfterValidator(_api_key), _said(writeOnly=True, pattern=rf"^\s*[!-~]{{1,{KEY_LENGTH}}}\s*$")
]
Url = Annotated[
    str,
    AfterValidator(_base_url),
    _said(pattern=r"^[Hh][Tt]{2}[Pp][Ss]?://[^\s/?#@\\]+", examples=["http://127.0.0.1:8080"]),
]
KeyName = Annotated[str, AfterValidator(_key_name), _said(maxLength=NAME_LENGTH)]
WebhookUrl = Annotated[
    str,
    AfterValidator(_webhook_url),
    _said(pattern=r"^[Hh][Tt]{2}[Pp][Ss]?://[^\s/?#@\\]+", examples=["https://alerts.example/pointsman"]),
]
RowNumber = Annotated[int, Strict(), Field(ge=1, le=MAX_ID)]
CaptureBytes = Annotated[int, Strict(), Field(ge=1, le=1_048_576)]
Topics = Annotated[list[Topic], AfterValidator(lambda them: list(dict.fromkeys(them)))]
Proxy = Annotated[str, AfterValidator(parse_setting), _said(minLength=1, examples=["none"])]
CaFile = Annotated[str, Field(max_length=4096), AfterValidator(_ca_file), _said(minLength=1)]
_Spoken = WithJsonSchema({"type": "string", "enum": [protocol.value for protocol in BACKEND_PROTOCOLS]})
Dialects = Annotated[
    list[Annotated[Protocol, AfterValidator(_spoken), _Spoken]],
    AfterValidator(_dialects),
    _said(minItems=1),
]
WebOrigin = Annotated[
    str,
    AfterValidator(_origin),
    _said(
        minLength=1,
        pattern=r"^(?:\*|[Nn][Uu][Ll][Ll]|[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@,\\]+/?|file:///?)$",
        examples=["https://chat.example", "http://localhost:*", "app://obsidian.md", "null"],
    ),
]
Switch = Annotated[bool, Strict()]
"""`"off"` and 0 are refused: who writes them may mean anything."""
Priority = Annotated[int, Strict(), Field(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT)]
MaxInFlight = Annotated[int, Strict(), Field(ge=1, le=10_000)]
HedgeSeconds = Annotated[float, Strict(), Field(ge=0.05, le=600, allow_inf_nan=False)]
Weights = Annotated[list[Annotated[int, Strict(), Field(ge=1, le=100)]], Field(min_length=1)]
StuckAfter = Annotated[int, Strict(), Field(ge=2, le=20)]
StuckFor = Annotated[int, Strict(), Field(ge=1, le=100)]
LoopRepeats = Annotated[int, Strict(), Field(ge=5, le=200)]
CacheSeconds = Annotated[int, Strict(), Field(ge=1, le=30 * 86_400)]
ShadowTarget = Annotated[
    str, AfterValidator(_shadow), _said(pattern=r"^local(?:/[a-z0-9]|:|$)", examples=["local/box:qwen3"])
]
Percent = Annotated[int, Strict(), Field(ge=1, le=100)]
Presets = Annotated[
    dict[str, JsonValue], AfterValidator(checked), _said(examples=[{"temperature": 0.2, "top_p?": 0.9}])
]
"""A null takes one away (mappings.update)."""
Conditions = Annotated[
    list[str],
    Field(max_length=MOST_CONDITIONS),
    AfterValidator(lambda texts: list(normal(texts))),
    _said(examples=[["tokens>60000", "client=claude-code"]]),
]
PatternName = Annotated[str, AfterValidator(_pattern_name), _said(examples=["badge"])]
OwnPattern = Annotated[
    str, Field(max_length=LONGEST), AfterValidator(_own_pattern), _said(examples=["acme_[a-z0-9]{32}"])
]
FallbackReasons = Annotated[list[FallbackOn], AfterValidator(lambda values: list(dict.fromkeys(values)))]
BudgetMoney = Annotated[float, Strict(), Field(gt=0, le=1e9, allow_inf_nan=False)]
"""Dollars."""
BudgetTokens = Annotated[int, Strict(), Field(ge=1, le=10**15)]
LimitNumber = Annotated[int, Strict(), Field(ge=1, le=10**9)]
WarnPercent = Annotated[int, Strict(), Field(ge=1, le=100)]
Zone = Annotated[str, AfterValidator(_zone), _said(examples=["Europe/Berlin", "UTC"])]
GroupName = Annotated[str, AfterValidator(_group_name), _said(pattern=f"^(?:{_NAME})$", examples=["team-a"])]
Moment = Annotated[datetime, AfterValidator(_moment), _said(examples=["2026-12-01T08:00:00Z"])]
Note = Annotated[str, AfterValidator(_note), _said(maxLength=NOTE_LENGTH)]
KeyModels = Annotated[list[Pattern], Field(max_length=100)]
KeyPaths = Annotated[list[Annotated[str, AfterValidator(_path), _said(minLength=1)]], Field(max_length=100)]
ContextWindow = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]


class FallbackTarget(Input):
    """A further target of a mapping. model: None = the name the client sent."""

    backend_type: BackendType
    backend_name: TargetName = ""
    model: ModelName | None = None


PricePlace = Annotated[
    str, AfterValidator(_place), _said(minLength=1, maxLength=NAME_LENGTH, examples=["openai"])
]
PriceTier = Annotated[
    str, AfterValidator(_tier), _said(pattern="^[A-Za-z0-9_-]*$", maxLength=_WORD, examples=["flex"])
]
PriceAbove = Annotated[int, Strict(), Field(ge=0, le=10**9)]
PriceDay = Annotated[
    str, AfterValidator(_price_day), _said(pattern=r"^(?:\d{4}-\d\d-\d\d)?$", examples=["2026-11-27"])
]
PerMillion = Annotated[float, Strict(), Field(ge=0, le=10**6, allow_inf_nan=False)]
"""USD for a million tokens; of a search and a request, for one."""
