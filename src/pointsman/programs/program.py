"""One program, and how its snippets are filled in for a gateway, a model and a key."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from collections.abc import Callable
from enum import StrEnum
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import msgspec

from ..wire.authority import is_loopback_host

NO_KEY = "none"
"""What a program is given that insists on a key where the gateway wants none."""
YOUR_KEY = "YOUR-CLIENT-KEY"
"""Stands where a client key goes that only its owner has: a gateway keeps digests."""
WINDOW = 32768
"""Tokens; what a program is told of a model whose window is not known."""
DOCKER_HOST = "host.docker.internal"
"""The machine that runs the containers, as its containers name it."""
_MOST_NAME = 200
_hole = re.compile(r"<<(.+?)>>", re.DOTALL)
_KEY_LINE = "[key] "


class Writing(StrEnum):
    """In what a snippet is written, which decides how a value is quoted in it. fields: names and values to type into a
    program's own settings, nothing is quoted."""

    SH = "sh"
    JSON = "json"
    TOML = "toml"
    YAML = "yaml"
    PYTHON = "python"
    TYPESCRIPT = "typescript"
    FIELDS = "fields"


class ProgramKind(StrEnum):
    """What a program is, in the order of the list."""

    AGENT = "Coding agents"
    EDITOR = "Editors"
    CHAT = "Chat"
    LIBRARY = "Libraries"
    COMMAND = "Commands"


class Pointed(msgspec.Struct, frozen=True):
    """What snippets are filled in with. url: of the gateway as its clients reach it, without a slash at the end. key: None
    where it wants none. window: tokens, None where nobody knows."""

    url: str
    model: str
    key: str | None = None
    window: int | None = None


class Snippet(msgspec.Struct, frozen=True):
    """where: what it is, a file's path or where to type it. text: `<<...>>` is a value in the snippet's own quotes, made of
    {url} (without /v1), {v1} (with it), {docker} (as v1, seen from a container), {model}, {key}, and {model_json}; {window}
    is a number. A line that begins with `[key] ` is only there where the gateway wants a key. runs: it sends a request
    when it is run as it is."""

    where: str
    writing: Writing
    text: str
    runs: bool = False


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """name: in addresses. agents: patterns of what usage calls its requests (its user agent without the version), () where
    it does not say who it is. first: how its first
    request is sent, typed: a command in a shell. public: it asks from its maker's servers, and so needs
    an address that all the world reaches, by https. source: where the facts are from."""

    name: str
    title: str
    kind: ProgramKind
    snippets: tuple[Snippet, ...]
    agents: tuple[str, ...]
    first: str
    typed: bool = False
    source: str
    notes: tuple[str, ...] = ()
    public: bool = False

    def is_client(self, client: str) -> bool:
        """Could a request whose usage names this client be of it?"""
        return not self.agents or any(fnmatchcase(client, pattern) for pattern in self.agents)

    def problem(self, url: str) -> str | None:
        """Why it cannot reach a gateway at this address, and what to do; None when it may."""
        if not self.public or reachable_by_all(url):
            return None
        return (
            f"{self.title} asks from its maker's servers, which cannot reach {url}. Give the gateway a public https address"
            " (a reverse proxy with a certificate, or a tunnel), allow its name with: pointsman serve --allow-host NAME, and"
            " open this page there."
        )


def filled(snippet: Snippet, at: Pointed) -> str:
    """The snippet's text. Raises ValueError for a model's name that no snippet can hold."""
    lines = (
        line for line in snippet.text.split("\n") if at.key is not None or not line.startswith(_KEY_LINE)
    )
    values = _values(at)
    text = "\n".join(line.removeprefix(_KEY_LINE) for line in lines).replace("{window}", values["window"])
    quote = _QUOTES[snippet.writing]
    return _hole.sub(lambda found: quote(found[1].format(**values)), text)


def reachable_by_all(url: str) -> bool:
    """Is it an https address, and none of a private network?"""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or is_loopback_host(host):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".lan", ".internal", ".home.arpa"))


def _values(at: Pointed) -> dict[str, str]:
    if not at.model or len(at.model) > _MOST_NAME or not at.model.isprintable():
        raise ValueError(f"a model's name has 1 to {_MOST_NAME} characters that can be printed")
    parts = urlsplit(at.url)
    inside = at.url
    if is_loopback_host(parts.hostname or ""):
        port = f":{parts.port}" if parts.port else ""
        inside = f"{parts.scheme}://{DOCKER_HOST}{port}{parts.path}"
    return {
        "url": at.url,
        "v1": f"{at.url}/v1",
        "docker": f"{inside}/v1",
        "model": at.model,
        "model_json": json.dumps(at.model, ensure_ascii=False),
        "key": NO_KEY if at.key is None else at.key,
        "window": str(at.window or WINDOW),
    }


def _literal(text: str) -> str:
    """A string in double quotes that JSON, TOML, YAML, Python and JavaScript all read alike."""
    return json.dumps(text, ensure_ascii=False)


_QUOTES: dict[Writing, Callable[[str], str]] = dict.fromkeys(Writing, _literal) | {
    Writing.SH: shlex.quote,
    Writing.FIELDS: str,
}
