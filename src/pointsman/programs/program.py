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
_SOCKET_LINE = "[socket] "
_SOCKET = "unix://"
_PORT = "http://127.0.0.1:4480"
"""Where a gateway answers that is also given its usual port."""


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
    """What snippets are filled in with. url: of the gateway as its clients reach it, without a slash at the end;
    `unix:///PATH` where it listens on a socket alone. key: None where it wants none. window: tokens, None where nobody
    knows."""

    url: str
    model: str
    key: str | None = None
    window: int | None = None


class SettingsFile(msgspec.Struct, frozen=True):
    """A file in which a program keeps its settings, and how values get into it (programs/files/connecting.py).

    path: below the home folder, `~/.codex/config.toml`. variable: of the environment, names the file's folder instead. mac:
    where macOS has it. others: names of files beside it that hold the same settings and go before it: one that is there is
    changed instead. unread: a file beside it that the program no longer reads once this one is there. rows: the field by
    which the entries of a list are told apart; without it a list is one value. gentle: first names of values that stay as
    the file has them. stamps: names of values that the program itself writes again and again.
    """

    path: str
    variable: str = ""
    mac: str = ""
    others: tuple[str, ...] = ()
    unread: str = ""
    rows: str = ""
    gentle: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()


class Launch(msgspec.Struct, frozen=True):
    """How a program is started that asks this gateway, and no file of it is changed (cli/launch.py). It must hold whatever
    its settings file says.

    command: what it is called. install: how one gets it. variables: what it is given, each made as in a snippet, without
    quotes. example: its words after the command, on the page. clears: variables that would lead it elsewhere. whole: a
    variable that takes the text of its settings file. option: one by which it takes a value of its settings file, as
    `PATH=VALUE` in TOML. file_option: one by which it takes another settings file, which goes before its own. folder: a
    variable that names a folder in which it looks for its settings file, beside its usual one; there `$POINTSMAN_API_KEY`
    stands for the key. arguments: what it gets before the user's own, made as variables are.
    """

    command: str
    install: str
    variables: tuple[tuple[str, str], ...] = ()
    example: str = ""
    clears: tuple[str, ...] = ()
    whole: str = ""
    option: str = ""
    file_option: str = ""
    folder: str = ""
    arguments: tuple[str, ...] = ()

    def shell(self, where: str) -> Snippet:
        """The same for a shell, to be copied."""
        lines = [f"export {name}=<<{value}>>" for name, value in self.variables]
        return Snippet(where, Writing.SH, "\n".join([*lines, f"{self.command} {self.example}".rstrip()]))


class Snippet(msgspec.Struct, frozen=True):
    """where: what it is, a file's path or where to type it. text: `<<...>>` is a value in the snippet's own quotes, made of
    {url} (without /v1), {v1} (with it), {docker} (as v1, seen from a container), {model}, {key}, and {model_json}; {window}
    is a number. A line that begins with `[key] ` is only there where the gateway wants a key, with `[socket] ` only where
    it listens on a Unix socket alone, {socket}. runs: it sends a request when it is run as it is. file: the one whose
    values it is."""

    where: str
    writing: Writing
    text: str
    runs: bool = False
    file: SettingsFile | None = None


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """name: in addresses. agents: patterns of what usage calls its requests (its user agent without the version), () where
    nobody knows what it calls itself, "" among them where it sends none. first: how its first
    request is sent, typed: a command in a shell. public: it asks from its maker's servers, and so needs
    an address that all the world reaches, by https. own: where it keeps its settings when no file of it may be changed.
    source: where the facts are from."""

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
    launch: Launch | None = None
    own: str = ""

    @property
    def files(self) -> tuple[Snippet, ...]:
        """The snippets that `pointsman connect` can write into a file."""
        return tuple(one for one in self.snippets if one.file is not None)

    def commands(self, options: str) -> tuple[tuple[str, str], ...]:
        """What does the same from a command line, each with when: for always, and for this once. options: of both."""
        always = f"pointsman connect {self.name}{options} --write"
        launch = "" if self.launch is None else f"pointsman launch {self.launch.command}{options}"
        found = (
            ("By a command, for always", always if self.files else ""),
            ("By a command, for this once", launch),
        )
        return tuple((when, text) for when, text in found if text)

    def is_client(self, client: str) -> bool:
        """Could a request whose usage names this client be of it?"""
        return not self.agents or any(fnmatchcase(client, pattern) for pattern in self.agents)

    @property
    def is_told_apart(self) -> bool:
        """Do its requests say who asks?"""
        return bool(self.agents) and "" not in self.agents

    def problem(self, url: str) -> str | None:
        """Why it cannot reach a gateway at this address, and what to do; None when it may."""
        if url.startswith(_SOCKET) and not any(_SOCKET_LINE in one.text for one in self.snippets):
            path = url.removeprefix(_SOCKET)
            return (
                f"This gateway listens on a Unix socket alone ({path}), and {self.title} asks an address. Give it a port,"
                f" too, which is then in what is shown here: pointsman serve --unix {shlex.quote(path)} --port 4480"
            )
        if not self.public or reachable_by_all(url):
            return None
        return (
            f"{self.title} asks from its maker's servers, which cannot reach {url}. Give the gateway a public https address"
            " (a reverse proxy with a certificate, or a tunnel), allow its name with: pointsman serve --allow-host NAME, and"
            " open this page there."
        )


def filled(snippet: Snippet, at: Pointed) -> str:
    """The snippet's text. Raises ValueError for a model's name that no snippet can hold."""
    values = _values(at, by_socket=_SOCKET_LINE in snippet.text)
    shown = {_KEY_LINE: at.key is not None, _SOCKET_LINE: bool(values["socket"])}
    lines = []
    for line in snippet.text.split("\n"):
        mark = next((one for one in shown if line.startswith(one)), "")
        if shown.get(mark, True):
            lines.append(line.removeprefix(mark))
    text = "\n".join(lines).replace("{window}", values["window"])
    quote = _QUOTES[snippet.writing]
    return _hole.sub(lambda found: quote(found[1].format(**values)), text)


def launched(launch: Launch, at: Pointed) -> tuple[dict[str, str], list[str]]:
    """The variables that a program is started with, and what it gets before the user's words. Raises ValueError as `filled`
    does."""
    values = _values(at, by_socket=False)
    variables = {name: value.format(**values) for name, value in launch.variables}
    return variables, [one.format(**values) for one in launch.arguments]


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


def _values(at: Pointed, *, by_socket: bool) -> dict[str, str]:
    """by_socket: it can ask a Unix socket, where a URL's host says nothing."""
    if not at.model or len(at.model) > _MOST_NAME or not at.model.isprintable():
        raise ValueError(f"a model's name has 1 to {_MOST_NAME} characters that can be printed")
    url, socket = at.url, ""
    if url.startswith(_SOCKET):
        url, socket = "http://localhost" if by_socket else _PORT, url.removeprefix(_SOCKET)
    parts = urlsplit(url)
    inside = url
    if is_loopback_host(parts.hostname or ""):
        port = f":{parts.port}" if parts.port else ""
        inside = f"{parts.scheme}://{DOCKER_HOST}{port}{parts.path}"
    return {
        "url": url,
        "v1": f"{url}/v1",
        "socket": socket,
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
