"""A request for one reply, whoever asked and in whichever protocol. Plain values.

Every optional field is None (or empty) when the client did not send it: a renderer never invents a
value for it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from ..kinds import at_hand
from .parts import CacheMark, Part, Placed, Text, ToolKind

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How hard the model shall think, weakest first."""


_VERSION = re.compile(r"_\d{8}$|_\d{4}_\d{2}_\d{2}$")


RUN = "code_execution"
"""The kind of a tool that runs code of the model's in a container of its vendor's."""
_ALIKE = {"code_interpreter": RUN}


@at_hand
class Role(StrEnum):
    """Whose turn. SYSTEM and DEVELOPER stand here only for messages in the middle of a
    conversation; those that lead it are in Request.system."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"


ROLES = {role.value: role for role in Role}
"""By their names, which costs a tenth of Role(name)."""


class Message(Placed):
    """One turn. parts: in order; tool results stand in USER messages, before its other parts.
    name: the speaker's. phase: Responses' `commentary` or `final_answer`."""

    role: Role
    parts: list[Part]
    name: str | None = None
    phase: str | None = None


class Tool(Placed):
    """A tool the client runs itself. schema: JSON Schema of its arguments, None = takes none
    (custom: not used). strict: None = the client did not say. strict_unsaid: it is the client
    protocol's default, not the client's word. grammar: of a custom tool, the
    vendor's `format` object. namespace: its group; namespace_description: of that, on the
    group's first tool."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    kind: ToolKind = ToolKind.FUNCTION
    grammar: dict[str, Any] | None = None
    namespace: str | None = None
    cache: CacheMark | None = None
    strict_unsaid: bool = False
    namespace_description: str | None = None


class ServerTool(Placed):
    """A tool that the backend runs (code execution, MCP), or one whose shape only its vendor
    knows. protocol: whose. type: as its vendor writes it (`code_execution_20250825`,
    `computer_use_preview`). name: what the model calls it. value: the exact JSON. Not here: web
    search, which all protocols have."""

    protocol: str
    type: str
    name: str
    value: Any

    @property
    def kind(self) -> str:
        """Its type without the version, and by one name where vendors have the same tool."""
        kind = _VERSION.sub("", self.type)
        return _ALIKE.get(kind, kind)


PLAIN = frozenset((
    "model", "system", "messages", "max_tokens", "temperature", "top_p", "stream", "include_usage", "raw", "paths",
    "plain", "texts",
))  # fmt: skip
"""The fields of Request that most clients know."""

SEARCH = "web_search"
"""What a tool choice calls the backend's web search."""


class WebSearch(Placed):
    """The backend shall search the web where the model wants it to. allowed_domains: the only ones
    that it may find. blocked_domains: those that it may not. max_uses: most searches of one
    answer. location: the user's, any of `city`, `region`, `country` (ISO 3166-1), `timezone`
    (IANA); {} = nowhere, None = not said. context_size: how much of what is found the model is
    shown, low | medium | high. live: False = from what is cached already, None = not said."""

    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    max_uses: int | None = None
    location: dict[str, str] | None = None
    context_size: str | None = None
    live: bool | None = None
    cache: CacheMark | None = None


class ToolChoice(msgspec.Struct):
    """mode: auto | any | none | tool. name: of the one tool when mode is `tool`; server: it is one
    that the backend runs (SEARCH, or a ServerTool's name). allowed: names of the only functions
    that may be called, None = all tools; allowed_server: then, of the backend's tools."""

    mode: str
    name: str | None = None
    allowed: tuple[str, ...] | None = None
    server: bool = False
    allowed_server: tuple[str, ...] = ()


class ThinkingMode(msgspec.Struct):
    """How the client wants the model to think. type: adaptive | enabled | disabled |
    between_tools. budget: tokens, with `enabled`. display: summarized | omitted, None = the
    model's default."""

    type: str
    budget: int | None = None
    display: str | None = None


class OutputFormat(msgspec.Struct):
    """type: json_schema | json_object. The plain `text` format is None in the request."""

    type: str
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class Request(msgspec.Struct):
    """See the module. Names of fields are neutral; Dialect.names says what a client's protocol
    calls each.

    parallel_tools: None = not said. user: an id of the end user. cache_key: a hint which requests
    share a prefix. cache_auto: the client asked for automatic caching of the whole prompt (its
    mark), None = not said. effort: one of EFFORTS. thinking:
    where the protocol says more than an effort. summary: the client wants reasoning shown (auto |
    concise | detailed). legacy_functions: a Chat client that uses `functions` and expects
    `function_call`. phases: the client's messages carried Responses phases. raw: the client's body
    as decoded, for its own dialect's use when the answer must echo it. paths: neutral field ->
    where the client wrote it, for those that did not stand where Translation.names says. plain: of
    the other fields only those of PLAIN say anything, so that nobody has to look; False also where
    nobody knows. texts: its turns are the user's and the assistant's in turn, the first and the last
    the user's, and each is one text that says something, as is all of system, without marks: nothing
    of that has to be made legal, or to fit, and no protocol loses any of it; False also where nobody knows.
    """

    model: str
    system: list[Text] = msgspec.field(default_factory=list)
    messages: list[Message] = msgspec.field(default_factory=list)
    tools: list[Tool] = msgspec.field(default_factory=list)
    server_tools: list[ServerTool] = msgspec.field(default_factory=list)
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    effort: str | None = None
    thinking: ThinkingMode | None = None
    summary: str | None = None
    format: OutputFormat | None = None
    verbosity: str | None = None
    user: str | None = None
    cache_key: str | None = None
    cache_auto: CacheMark | None = None
    service_tier: str | None = None
    metadata: dict[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False
    max_tool_calls: int | None = None
    web_search: WebSearch | None = None
    legacy_functions: bool = False
    phases: bool = False
    raw: dict[str, Any] = msgspec.field(default_factory=dict)
    paths: dict[str, str] = msgspec.field(default_factory=dict)
    plain: bool = False
    texts: bool = False

    @property
    def hosted(self) -> frozenset[str]:
        """Kinds of the tools that the backend would have to run."""
        found = {tool.kind for tool in self.server_tools}
        return frozenset(found | {SEARCH} if self.web_search is not None else found)
