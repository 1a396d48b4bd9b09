"""`pointsman record NAME`: what goes through the running gateway, kept to be given again by `replay/NAME`.

Not here: what becomes of a recording (recording.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any
from urllib.parse import quote

import click

from ..config import CLIENT_KEY_VARIABLE, KEY_VARIABLE
from ..errors import PointsmanError
from ..kinds import ErrorKind
from .client import ApiAnswer, running_client
from .common import Invocation, exit_on_failure, fail, note, with_options
from .once import Command

_AGAIN_SECONDS = 5.0
"""How often it is said that the recording goes on; see recorders.LEASE_SECONDS."""
_AWAY_SECONDS = 0.2
_CALL_SECONDS = 10.0
_KEPT = ("new", "renewed")
_NOT_KEPT = {
    "failed": "had no whole answer",
    "unfit": "cannot be told apart by their request",
    "full": "found no room left",
    "lost": "came while the control plane was away",
    "broken": "could not be written (pointsman logs says why)",
    "gone": "came after the recording was deleted",
}
_ANY_KEY = "pointsman"
"""Where nobody needs one: the SDKs do not start without."""


@click.command("record", cls=Command)
@click.argument("name", metavar="NAME")
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--model", metavar="PATTERN", help="Only what asks for such a model, as clients name it.")
@click.option("--key", metavar="NAME", help="Only requests with the client key of this name.")
@with_options
def command(
    invocation: Invocation, name: str, words: tuple[str, ...], model: str | None, key: str | None
) -> None:
    """Record what goes through the running gateway, until Ctrl-C or as long as COMMAND runs.

    \b
    pointsman record demo                        # all of it; Ctrl-C ends it
    pointsman record demo --model 'gpt-*' --key ci
    pointsman record demo -- pytest tests/       # as long as that runs, pointed at this gateway
    pointsman mapping add 'gpt-*' --to replay/demo

    One request has one answer: recorded again, the later one counts. Prompts and answers are kept, sealed with the master
    key. Errors are not recorded.
    """
    with exit_on_failure(invocation.as_json):
        made = _Making(invocation, name, model)
        if key is not None:
            made.wish["key_id"] = made.key_of(key)
        made.go_on()
        note(f"recording {name}; {'it ends with the command' if words else 'Ctrl-C ends it'}")
        code = 0
        try:
            code = _with_child(made, words) if words else _until_interrupted(made)
        finally:
            made.end()
    made.tell()
    raise click.exceptions.Exit(code)


class _Making:
    """One recording while it is made. counts: of all that came, over lives of the control plane."""

    def __init__(self, invocation: Invocation, name: str, model: str | None) -> None:
        self._invocation = invocation
        self._name = name
        self._path = f"/api/recordings/{quote(name, safe='')}/running"
        self.wish: dict[str, Any] = {"model": model, "key_id": None}
        self._earlier: dict[str, int] = {}  # of lives that are over
        self._now: dict[str, Any] | None = None
        self._away: float | None = None  # since when

    def key_of(self, name: str) -> int:
        """The client key's id. Raises PointsmanError."""
        rows = self._call("GET", "/api/keys", None).json()
        found = [row["id"] for row in rows if row["name"] == name and row["revoked_at"] is None]
        if not found:
            raise PointsmanError(
                ErrorKind.NOT_FOUND, f"There is no client key {name!r}; see: pointsman key list."
            )
        return int(found[0])

    def url(self) -> str:
        """Where the gateway is."""
        return str(self._call("GET", "/api/status", None).json()["url"])

    def go_on(self) -> None:
        """Say that it goes on. Raises PointsmanError where that is refused, and the first time where no gateway runs."""
        try:
            answer = self._call("PUT", self._path, self.wish)
        except PointsmanError as error:
            if self._now is None or error.kind is not ErrorKind.UNAVAILABLE:
                raise
            self._away = self._away or time.time()
            return
        self._take(answer.json())

    def end(self) -> None:
        """Record no more; what was counted is known then, as far as anybody can tell."""
        try:
            answer = self._call("DELETE", self._path, None, ends=False)
        except PointsmanError as error:
            note(f"warning: {error.public} The recording ends by itself.")
            return
        if answer.status < 400:
            self._take(answer.json())

    def tell(self) -> None:
        """What came of it."""
        counts = self._sums()
        if self._invocation.as_json:
            click.echo(json.dumps({"name": self._name, **counts}))
            return
        new, renewed = (counts[one] for one in _KEPT)
        told = f"{new + renewed} recorded in {self._name}" + (f", {renewed} of them anew" if renewed else "")
        note(told if new or renewed else f"nothing was recorded in {self._name}")
        for what, why in _NOT_KEPT.items():
            if counts[what]:
                note(f"warning: {counts[what]} were not recorded: they {why}")

    @property
    def away(self) -> bool:
        """Has the control plane not answered last time?"""
        return self._away is not None

    def _sums(self) -> dict[str, int]:
        now = self._now or {}
        return {one: self._earlier.get(one, 0) + int(now.get(one, 0)) for one in (*_KEPT, *_NOT_KEPT)}

    def _take(self, told: dict[str, Any]) -> None:
        if self._now is not None and told["since"] != self._now["since"]:
            self._earlier = self._sums()
            since = time.strftime("%H:%M:%S", time.localtime(self._away or time.time()))
            note(
                f"warning: the control plane was away at {since}; what went through until {time.strftime('%H:%M:%S')} "
                "may not be in the recording"
            )
        self._now, self._away = told, None

    def _call(self, method: str, path: str, body: Any, *, ends: bool = True) -> ApiAnswer:
        client = running_client(self._invocation.data_dir, _CALL_SECONDS)
        if client is None:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "No gateway runs here that could be recorded; start one: pointsman serve.",
            )
        try:
            answer = client.request(method, path, body)
        finally:
            client.close()
        if ends and answer.status == 503:
            raise PointsmanError(ErrorKind.UNAVAILABLE, "The gateway's database cannot be used now.")
        if ends and answer.status >= 400:
            fail(answer.body, self._invocation.as_json)
        return answer


def _until_interrupted(made: _Making) -> int:
    try:
        while True:
            time.sleep(_AWAY_SECONDS if made.away else _AGAIN_SECONDS)
            made.go_on()
    except KeyboardInterrupt:
        click.echo("", err=True)
        return 0


def _with_child(made: _Making, words: tuple[str, ...]) -> int:
    """Its exit code, as a shell has it."""
    try:
        child = subprocess.Popen(words, env=_environment(made.url()))
    except OSError as error:
        note(f"error: {words[0]} cannot be started ({error.strerror})")
        return 126
    while True:
        try:
            code = child.wait(_AWAY_SECONDS if made.away else _AGAIN_SECONDS)
            return code if code >= 0 else 128 - code
        except subprocess.TimeoutExpired:
            made.go_on()
        except KeyboardInterrupt:  # the child has had it, too, and says when it is done
            continue


def _environment(url: str) -> dict[str, str]:
    """With what the official SDKs read."""
    environ = dict(os.environ)
    key = environ.get(CLIENT_KEY_VARIABLE)
    for name in (KEY_VARIABLE, CLIENT_KEY_VARIABLE):
        environ.pop(name, None)
    environ |= {"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_BASE_URL": url}
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        environ[name] = key or environ.get(name) or _ANY_KEY
    return environ
