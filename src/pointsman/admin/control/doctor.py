"""What `doctor` looks at, each finding with its fix. Reads and probes; changes nothing.

`examine` needs a runtime; `examine_files` works where the database cannot even be opened.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import socket
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ... import __version__, interpreter, native
from ...config import (
    ADMIN_TOKEN_FILE,
    DATABASE_FILE,
    DEFAULT_HOST,
    DEFAULT_PORT,
    MASTER_KEY_FILE,
    USAGE_FILE,
    Limits,
)
from ...errors import PointsmanError
from ...kinds import PRACTICE
from ...ledger.periods import own_zone
from ...process.descriptors import raise_limit, shortage
from ...process.private_files import mode_problem
from ...providers.proxies import Proxies
from ...routing.specs import BackendSpec
from ...upstream.trust import ca_problem
from .auth import AdminToken
from .engines import standing_at
from .probing import probe_spec
from .rule_standing import standing_of

if TYPE_CHECKING:
    from .control_plane import ControlPlane

PROBE_SECONDS = 10.0
_LEAST_FREE = 200 * 1024 * 1024


class Check(BaseModel):
    """One check. status: ok, warning or error."""

    name: str
    status: str
    detail: str
    fix: str | None


class Report(BaseModel):
    """ok: no check is an error."""

    ok: bool
    version: str
    checks: list[Check]


def _descriptors() -> Check:
    limits = Limits.from_environment()
    limit = raise_limit(limits)  # as each process of the data plane does
    few = shortage(limit, limits)
    if few is None:
        return _ok("open files", f"a process may have {limit} files and sockets open")
    return _warning("open files", few, "raise the hard limit: ulimit -Hn, or LimitNOFILE= of a systemd unit")


def _ok(name: str, detail: str) -> Check:
    return Check(name=name, status="ok", detail=detail, fix=None)


def _warning(name: str, detail: str, fix: str | None = None) -> Check:
    return Check(name=name, status="warning", detail=detail, fix=fix)


def error(name: str, detail: str, fix: str) -> Check:
    """Something that does not work, and what to do about it."""
    return Check(name=name, status="error", detail=detail, fix=fix)


def report(checks: list[Check]) -> Report:
    """All checks; ok when none is an error."""
    ok = all(check.status != "error" for check in checks)
    return Report(ok=ok, version=__version__, checks=checks)


async def examine(control: ControlPlane) -> Report:
    """Every check there is."""
    checks = await asyncio.to_thread(_examine_open, control)
    specs = [spec for spec in control.snapshot.backends if spec.recording is None]
    checks += await asyncio.gather(
        *(
            _backend(spec) if spec.engine is None else _engine(control, spec, spec.engine)
            for spec in specs
            if spec.name != PRACTICE
        )
    )
    if not specs:
        checks.append(
            _warning(
                "backends",
                "There is no backend yet; only the practice model answers.",
                "pointsman local add NAME --url URL, or: pointsman credential set openai",
            )
        )
    return report(checks)


def _examine_open(control: ControlPlane) -> list[Check]:
    checks = examine_files(control.data_dir, control.environ, gateway_url=control.options.url)
    checks.append(_master_key(control))
    checks.append(_database("database", control.store.backing.integrity))
    checks.append(_database("usage database", control.usage.integrity))
    checks.append(_client_keys(control))
    checks += _rules(control)
    return checks


def examine_files(data_dir: Path, environ: Mapping[str, str], gateway_url: str = "") -> list[Check]:
    """Port, modes, disk, proxies, admin token, SQLite's version, what runs compiled and by which Python: no database."""
    checks = [_answering(gateway_url) if gateway_url else _port_free(environ)]
    checks += _modes(data_dir)
    checks.append(_admin_token(data_dir))
    checks.append(_disk(data_dir))
    checks.append(_descriptors())
    checks += _proxies(environ)
    checks.append(_sqlite_version())
    checks.append(_machine_code())
    checks.append(_ok("python", f"{interpreter.about()}."))
    return checks


def _machine_code() -> Check:
    runs, about = native.how()
    if native.stale():
        return _warning("machine code", f"{runs}: {about}", "python hatch_build.py, or: make run")
    return _ok("machine code", f"{runs}: {about}")


# -- port --

_UNIX = "unix://"


def _answering(url: str) -> Check:
    if url.startswith(_UNIX):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(3.0)
            try:
                probe.connect(url.removeprefix(_UNIX))
            except OSError as caught:
                fix = "look at the gateway's log; restart it"
                return error("port", f"Nothing answers at {url}: {caught.strerror or caught}.", fix)
        return _ok("port", f"The gateway answers at {url}.")
    host, _, port = url.partition("://")[2].rstrip("/").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=3.0):
            return _ok("port", f"The gateway answers at {url}.")
    except (OSError, ValueError):
        return error("port", f"Nothing answers at {url}.", "look at the gateway's log; restart it")


def _port_free(environ: Mapping[str, str]) -> Check:
    if environ.get("POINTSMAN_UNIX") and not {"POINTSMAN_HOST", "POINTSMAN_PORT"} & environ.keys():
        return _ok(
            "port", f"None is used, but the socket {environ['POINTSMAN_UNIX']}; the gateway is not running."
        )
    host = environ.get("POINTSMAN_HOST") or DEFAULT_HOST
    text = environ.get("POINTSMAN_PORT") or str(DEFAULT_PORT)
    if not text.isdigit() or int(text) > 65535:
        return error("port", f"POINTSMAN_PORT={text!r} is not a port.", "set it to a number up to 65535")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, int(text), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as caught:
        if caught.errno == errno.EADDRINUSE:
            detail = (
                f"Port {text} on {host} is taken by another program (no gateway of this data folder runs)."
            )
            return _warning("port", detail, "stop that program, or serve with --port N")
        detail = f"Port {text} on {host} cannot be used: {caught.strerror or caught}."
        return error("port", detail, "choose others with --host and --port")
    return _ok("port", f"Port {text} on {host} is free; the gateway is not running.")


# -- files --


def _modes(data_dir: Path) -> list[Check]:
    """The folder 0700 and everything of ours in it 0600, backups and SQLite's side files included."""
    try:
        files = [entry for entry in sorted(data_dir.iterdir()) if _is_ours(entry.name)]
    except OSError as caught:
        detail = f"The data folder {data_dir} cannot be read: {caught.strerror}."
        return [error("data folder", detail, "choose another with --data-dir, or create it with mode 0700")]
    wrong: list[Check] = []
    for path in (data_dir, *files):
        try:
            problem = mode_problem(path)
        except FileNotFoundError:  # a side file that SQLite just removed
            continue
        if problem is not None:
            detail, _, fix = problem.partition("; run: ")
            wrong.append(error("data folder" if path == data_dir else "file modes", f"{detail}.", fix))
    return wrong or [_ok("file modes", f"Only you can read {data_dir}.")]


def _is_ours(name: str) -> bool:
    return (
        name.startswith((DATABASE_FILE, USAGE_FILE, MASTER_KEY_FILE, ADMIN_TOKEN_FILE, "backup"))
        or ".db" in name
    )


def _admin_token(data_dir: Path) -> Check:
    try:
        token = AdminToken.read(data_dir)
    except PointsmanError as caught:
        return error("admin token", caught.public, f"chmod 600 {AdminToken.path(data_dir)}")
    if token is None:
        return _warning("admin token", "There is no admin token yet.", "start the gateway; it makes one")
    return _ok("admin token", f"It is in {AdminToken.path(data_dir)}.")


def _disk(data_dir: Path) -> Check:
    try:
        free = shutil.disk_usage(data_dir).free
    except OSError as caught:
        return _warning("disk", f"Free space is unknown: {caught.strerror}.")
    detail = f"{free // (1024 * 1024)} MiB are free for the data folder."
    if free < _LEAST_FREE:
        return _warning("disk", detail, "free some space: a full disk stops changes and usage records")
    return _ok("disk", detail)


# -- proxies --


def _proxies(environ: Mapping[str, str]) -> list[Check]:
    """Those of the environment, without their logins."""
    try:
        found = Proxies.from_environment(environ).for_scheme
    except PointsmanError as caught:
        return [
            error(
                "proxies",
                f"{caught.public}.",
                f"correct or unset {caught.param}; then start the gateway anew",
            )
        ]
    said = [f"{scheme}:// goes through {proxy}" for scheme, proxy in sorted(found.items())]
    return [_ok("proxies", f"{'; '.join(said)}; this computer and NO_PROXY excepted.")] if said else []


# -- key and database --


def _master_key(control: ControlPlane) -> Check:
    problem = control.vault.problem
    if problem:
        fix = "put the right key back and restart the gateway; nothing was overwritten"
        return error("master key", problem, fix)
    return _ok("master key", f"Key {control.vault.key_id} from {control.vault.source.value}.")


def _database(name: str, integrity: Callable[[], list[str]]) -> Check:
    try:
        found = integrity()
    except PointsmanError as caught:
        return error(name, caught.public, "see what it says; the gateway serves on meanwhile")
    if found:
        fix = "stop the gateway and put back a backup (the backups folder of the data folder)"
        return error(name, f"It is damaged: {found[0]}", fix)
    return _ok(name, "SQLite finds no fault in it.")


def _client_keys(control: ControlPlane) -> Check:
    snapshot = control.snapshot
    live = len(snapshot.client_keys)
    if snapshot.keys_required and not live:
        return _warning(
            "client keys",
            "A client key is needed and none is live: nobody can use the gateway.",
            "pointsman key create",
        )
    if not snapshot.keys_required:
        return _ok("client keys", "None was ever made: everybody on this computer may use the gateway.")
    return _ok("client keys", f"{live} live; every request needs one.")


def _rules(control: ControlPlane) -> list[Check]:
    """Those that no request ever gets to."""
    try:
        rules = standing_of(control, own_zone())
    except PointsmanError:  # what the check of the database tells
        return []
    lost = [
        _warning(f"rule {rule.id}", f"{rule.pattern}: {rule.problem}.", rule.fix)
        for rule in rules
        if rule.problem is not None
    ]
    lost += [
        _warning(
            f"rule {rule.id}",
            f"{rule.pattern}: there is no recording {name}, so that its requests get an error.",
            f"pointsman recording import FILE, or: pointsman record {name}",
        )
        for rule in control.snapshot.mappings
        for name in control.recordings.missing(one.backend for one in rule.targets)
    ]
    return lost or [_ok("rules", f"Some request can get to each of {len(rules)}.")] if rules else []


def _sqlite_version() -> Check:
    from ..store.sqlite import version_problem

    problem = version_problem()
    if problem is None:
        return _ok("sqlite version", f"SQLite {sqlite3.sqlite_version}.")
    return _warning("sqlite version", f"{problem}.", "use a Python built with SQLite 3.51.3 or newer")


# -- backends --

_FIXES = {
    "dns": "check the host name in its base URL, and the network",
    "proxy": "do what it says, or go past the proxy",
    "tcp": "start the server, or correct its base URL",
    "tls": "check the base URL's host name, the server's certificate and who signed it (--ca-file)",
    "auth": "set its key again",
    "models": "check that its base URL is an API of its type",
}


async def _engine(control: ControlPlane, spec: BackendSpec, engine: str) -> Check:
    """One that is started on demand; it is not started for this."""
    name, recipe, standing = (
        f"backend {spec.key}",
        control.engines.recipe(engine),
        control.engines.standing(engine),
    )
    if recipe is None or spec.problem:
        return error(
            name,
            spec.problem or "",
            f"put its recipe right, or: pointsman local update {engine} --command '...'",
        )
    if shutil.which(recipe.command[0]) is None:
        fix = f"install it, or: pointsman local update {engine} --command '...'"
        return error(name, f"Its program {recipe.command[0]} is not there.", fix)
    if standing.state == "down":
        fix = f"pointsman local logs {engine}; then: pointsman local start {engine}"
        return error(name, f"Its engine is down: {standing.why}", fix)
    if standing.state == "ready" and standing.address is not None:
        return await _backend(standing_at(spec, standing.address))
    return _ok(name, f"Its engine is started on demand, and {standing.state} now.")


async def _backend(spec: BackendSpec) -> Check:
    name = f"backend {spec.key}"
    if spec.problem:
        return error(name, spec.problem, _command(spec))
    broken = ca_problem(spec.ca_file) if spec.ca_file is not None else None
    if broken is not None:
        return error(name, f"{broken}.", f"put it back, or: {_edit(spec)} --ca-file PATH (or --system-ca)")
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            result = await probe_spec(spec)
    except PointsmanError as caught:  # the environment's proxies cannot be read
        return error(name, f"{caught.public}.", f"correct or unset {caught.param}")
    except TimeoutError:
        return error(name, f"{spec.base_url} did not answer in {PROBE_SECONDS:.0f} s.", _FIXES["tcp"])
    bad = next((step for step in result.steps if not step.ok), None)
    if bad is None:
        way = next((f", by {step.detail}," for step in result.steps if step.name == "proxy"), "")
        return _ok(name, f"{spec.base_url} answers{way} with {len(result.models)} models.")
    command = f"{_edit(spec)} --proxy none" if bad.name == "proxy" else _command(spec)
    fix = f"{_FIXES.get(bad.name, 'look at the server')}: {command}"
    return error(name, f"{spec.base_url}: {bad.name}: {bad.detail}", fix)


def _edit(spec: BackendSpec) -> str:
    local = spec.type == "local"
    return f"pointsman local update {spec.name}" if local else f"pointsman credential set {spec.key}"


def _command(spec: BackendSpec) -> str:
    return _edit(spec) + (" --url URL" if spec.type == "local" else "")
