"""What somebody pastes to have it explained: a model's name, a request's JSON, or a whole `curl` command. Keys in it are
left out at once. Not here: what becomes of it (explain_request.py)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import msgspec

from ...dialects.guess import guessed_path
from ...errors import PointsmanError
from ...kinds import ErrorKind

_HEADERS = ("anthropic-beta", "anthropic-version", "content-type", "user-agent", "x-pointsman-strict")
"""Those of a command that change what becomes of a request; all others, and so every key, are not read."""
_DATA = {"-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json"}
_VALUED = {
    "-X", "--request", "-u", "--user", "-A", "--user-agent", "-o", "--output", "-b", "--cookie", "-m", "--max-time",
    "--connect-timeout", "-x", "--proxy", "--cacert", "--cert", "--key", "-e", "--referer", "-w", "--write-out", "--retry",
    "--unix-socket", "--resolve",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pasted:
    """body: None of a model's name alone, which is then `model`. path: where it was sent; guessed: by its members. headers:
    lower-case names. key: the name of the client key that it would come with, "" of none, None where nobody says."""

    model: str = ""
    body: bytes | None = None
    path: str = ""
    guessed: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    key: str | None = None


def read(text: str, path: str = "", wanted: Collection[str] = ()) -> Pasted:
    """path: where it is sent, where that is known. wanted: lower-case names of further headers that decide something. Raises
    PointsmanError INVALID saying what to paste."""
    text = text.encode("utf-8", "replace").decode().strip()  # half a character is no text
    if not text:
        raise _invalid("There is nothing in it; paste a model's name, a request's JSON, or a curl command.")
    if text.startswith("{"):
        return _of_body(text, path, ())
    if text.startswith(("curl ", "curl\t", "curl.exe ", "$ curl ")) or "\ncurl " in text:
        return _of_curl(text[text.index("curl") :], path, wanted)
    if "\n" in text:
        raise _invalid("It is neither one model's name nor JSON nor a curl command; paste one of them.")
    return Pasted(model=text)


def with_more(pasted: Pasted, model: str, headers: Mapping[str, str], key: str | None) -> Pasted:
    """The same, asking for another model ("": its own), with more headers, and with this client key's name."""
    body, name = pasted.body, pasted.model
    if model and body is None:
        name = model
    elif model and body is not None:
        try:
            members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError as error:
            raise _invalid(f"It is not valid JSON: {error}. Paste the whole body.") from None
        body = msgspec.json.encode(members | {"model": msgspec.Raw(msgspec.json.encode(model))})
    more = tuple((one.strip().lower(), value.strip()) for one, value in headers.items())
    if any(not one or any(c in one + value for c in "\r\n") for one, value in more):
        raise PointsmanError(
            ErrorKind.INVALID, "A header is a name and a value of one line.", param="headers"
        )
    return replace(pasted, body=body, model=name, headers=(*pasted.headers, *more), key=key)


def _of_body(text: str, path: str, headers: tuple[tuple[str, str], ...]) -> Pasted:
    if path:
        return Pasted(body=text.encode(), path=urlsplit(path).path, headers=headers)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        told = str(error) if isinstance(error, ValueError) else "it is nested too deep"
        raise _invalid(f"It is not valid JSON: {told}. Paste the whole body.") from None
    found = guessed_path(value) if isinstance(value, dict) else None
    if found is None:
        raise _invalid(
            "Nothing in it tells which protocol it is: it has no messages, input or prompt. "
            "Say its path, such as /v1/messages."
        )
    return Pasted(body=text.encode(), path=found, guessed=True, headers=headers)


def _of_curl(text: str, path: str, wanted: Collection[str]) -> Pasted:
    words = _words(text.replace("\\\r\n", " ").replace("\\\n", " "))
    data: list[str] = []
    headers: list[tuple[str, str]] = []
    url = ""
    while words:
        word = words.pop(0)
        name, sign, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name[:2] in ("-d", "-H") and len(name) > 2 and not name.startswith("--"):
            name, sign, value = name[:2], "=", name[2:]
        if name in _DATA or name in ("-H", "--header", "--url") or name in _VALUED:
            value = value if sign else (words.pop(0) if words else "")
        if name in _DATA:
            data.append(value)
        elif name in ("-H", "--header"):
            key, _, said = value.partition(":")
            if key.strip().lower() in (*_HEADERS, *wanted):
                headers.append((key.strip().lower(), said.strip()))
        elif name == "--url":
            url = value
        elif not word.startswith("-") and not url and ("/" in word or "." in word):
            url = word
    body = "".join(data).strip()
    if body.startswith("@"):
        raise _invalid("Its body is in a file, which is not read here; paste the body itself.")
    if not body.startswith("{"):
        raise _invalid("The command has no JSON body (-d); paste the whole command, or the body.")
    asked = urlsplit(url if "//" in url else f"//{url}").path
    return _of_body(body, path or asked, tuple(headers))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)[1:]
    except ValueError as error:
        raise _invalid(f"The command cannot be read ({error}); paste all of it, or the body alone.") from None


def _invalid(text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text, param="request")
