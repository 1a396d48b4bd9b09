"""`pointsman serve`: holds the listening socket and the data folder's lock, starts the other processes, starts them
again when they die, passes signals on. Imports nothing heavy and looks into no request.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .. import config
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..secret import Secret
from ..wire.authority import is_loopback_host
from ..wire.origins import ANY, caution
from .beats import Pulse, write_down
from .data_lock import ORPHAN_SECONDS, SOCKETS_PREFIX, sign, take_lock
from .environment import piped, take
from .listeners import Listeners
from .parent import REFUSED, reap_strangers
from .private_files import private_folder, write_over
from .settings import Settings, read_settings

_BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_HEALTHY_SECONDS = 10.0
_AWAY_SECONDS = 2.5


@dataclass(slots=True)
class ServeOptions:
    """What `pointsman serve` was asked."""

    data_dir: Path
    host: str = config.DEFAULT_HOST
    port: int = config.DEFAULT_PORT
    unix: Path | None = None  # a Unix socket to listen on
    unix_group: str | None = None  # who may use it beside this user
    tcp: bool = True  # listen on host and port
    workers: int = 1
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    json: bool = False
    on_ready: Callable[[str], None] | None = None  # prints the first screen; gets the URL


@dataclass(slots=True)
class _Child:
    """One process that should be running."""

    name: str
    argv: list[str]
    pass_fds: tuple[int, ...]
    secrets: dict[str, Secret] = field(default_factory=dict)  # what the environment held of them
    pulse: Pulse = field(default_factory=Pulse)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Supervisor:
    options: ServeOptions
    limits: config.Limits
    runtime_dir: str
    url: str
    listeners: Listeners
    children: list[_Child] = field(default_factory=list)
    stopping: bool = False
    announced: bool = False  # it has served
    noted: bool = False  # and its commands can find it
    reload: bool = False  # told to read the rules and the master key again
    looked: float = 0.0  # when it last looked at its children
    hurry: bool = False  # told to stop a second time: no more waiting for requests
    exit_code: int = 0


def serve(options: ServeOptions) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code; raises PointsmanError when it cannot start."""
    settings = read_settings()
    os.umask(0o077)  # whatever is made from here on, by the children too, is this user's alone
    lock, after_a_kill = take_lock(options.data_dir)
    listeners = Listeners()
    patience = ORPHAN_SECONDS if after_a_kill else 0.0
    if options.tcp:
        listeners.tcp(options.host, options.port, patience)
    if options.unix is not None:
        listeners.unix(options.unix, options.unix_group, patience)
    runtime_dir = _runtime_folder()
    sign(lock, runtime_dir)
    url = listeners.url(options.host)
    supervisor = _Supervisor(options, settings.limits, runtime_dir, url, listeners)
    ready_read, ready_write = os.pipe()
    wake_read, wake_write = os.pipe()
    try:
        for fd in (*listeners.descriptors, lock, ready_write):
            os.set_inheritable(fd, True)
        os.set_blocking(wake_write, False)
        supervisor.children = _children(
            options, settings, runtime_dir, url, listeners.descriptors, lock, ready_write
        )
        _handle_signals(supervisor, wake_write)
        return _loop(supervisor, ready_read, wake_read)
    finally:
        with suppress(OSError):
            (options.data_dir / config.SERVE_FILE).unlink()
        shutil.rmtree(runtime_dir, ignore_errors=True)
        with suppress(OSError):
            os.ftruncate(lock, 0)
        listeners.close()
        for child in supervisor.children:
            child.pulse.close()
        for fd in (lock, ready_read, ready_write, wake_read, wake_write):
            os.close(fd)


def _runtime_folder() -> str:
    """A new folder for the sockets between the processes, this user's alone."""
    try:
        folder = tempfile.mkdtemp(prefix=SOCKETS_PREFIX, dir=_short_folder())
        private_folder(folder)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"no temporary folder can be written ({error.strerror}); set TMPDIR to one that can, with a short path",
        ) from None
    return folder


def _short_folder() -> str | None:
    """Where the runtime folder goes: Unix socket paths must stay below about 100 bytes."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder and len(folder) < 40 and os.access(folder, os.W_OK):
        return folder
    return "/tmp" if len(tempfile.gettempdir()) > 60 else None  # noqa: S108 -- mkdtemp makes it 0700


def _children(
    options: ServeOptions,
    settings: Settings,
    runtime_dir: str,
    url: str,
    listen_fds: tuple[int, ...],
    lock_fd: int,
    ready_fd: int,
) -> list[_Child]:
    allowed: list[str] = []
    for host in (*options.allow_hosts, *settings.hosts):
        allowed += ["--allow-host", host]
    for origin in options.allow_origins:
        allowed += ["--allow-origin", origin]
    for origin in settings.origins:
        allowed += ["--environment-origin", origin]
    origins = {*options.allow_origins, *settings.origins}
    for warning in filter(None, map(caution, sorted(origins))):
        _say(warning)
    control = [sys.executable, "-m", "pointsman.admin", "--data-dir", str(options.data_dir)]
    control += ["--runtime-dir", runtime_dir, "--public-url", url, *allowed]
    if ANY in origins or not is_loopback_host(options.host):
        control += ["--require-keys"]
    secrets = {
        config.KEY_VARIABLE: take(config.KEY_VARIABLE),
        config.CLIENT_KEY_VARIABLE: settings.client_key,
    }
    given = {name: secret for name, secret in secrets.items() if secret is not None}
    children = [_Child("control plane", control, (lock_fd,), given)]
    for worker in range(options.workers):
        argv = [sys.executable, "-m", "pointsman.gateway", "--runtime-dir", runtime_dir]
        for listen_fd in listen_fds:
            argv += ["--listen-fd", str(listen_fd)]
        argv += ["--ready-fd", str(ready_fd), "--worker", str(worker)]
        argv += ["--workers", str(options.workers), "--spool", str(options.data_dir / config.SPOOL_FOLDER)]
        argv += ["--host", options.host, *allowed]
        children.append(_Child(f"data plane {worker}", argv, (*listen_fds, ready_fd)))
    return children


def _handle_signals(supervisor: _Supervisor, wake_fd: int) -> None:
    def stop(number: int, frame: object) -> None:
        supervisor.hurry = supervisor.stopping
        supervisor.stopping = True

    terminal = _has_terminal()

    def reload(number: int, frame: object) -> None:
        if terminal and not _has_terminal():  # its window was closed: that is no wish to reload
            supervisor.stopping = True
        supervisor.reload = True

    signal.set_wakeup_fd(wake_fd)
    signal.signal(signal.SIGHUP, reload)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _loop(supervisor: _Supervisor, ready_fd: int, wake_fd: int) -> int:
    """Start what should run, tell when ready, start again what died, until told to stop."""
    serving = False
    while not supervisor.stopping:
        now = time.monotonic()
        if now - supervisor.looked > _AWAY_SECONDS:  # stopped itself, or the machine slept
            for child in supervisor.children:
                child.pulse.excuse(now)
        supervisor.looked = now
        if not all([_watch(supervisor, child, now) for child in supervisor.children]):
            break
        wait = min([child.due - now for child in supervisor.children if child.process is None], default=1.0)
        if serving and not supervisor.announced:
            wait = 0.02  # the control plane's socket tells nobody when it comes
        readable, _, _ = select.select([ready_fd, wake_fd], [], [], max(0.01, min(wait, 1.0)))
        if wake_fd in readable:
            os.read(wake_fd, 4096)
            reap_strangers(child.process.pid for child in supervisor.children if child.process is not None)
        if supervisor.reload:
            supervisor.reload = False
            _reload(supervisor.children[0])
        if ready_fd in readable:
            os.read(ready_fd, 4096)
            serving = True
        if serving and not supervisor.announced and _control_answers(supervisor.runtime_dir):
            _announce(supervisor)
        elif supervisor.announced and not supervisor.noted:
            _note(supervisor)
    _stop_children(supervisor)
    return supervisor.exit_code


def _reload(control: _Child) -> None:
    """The control plane does it; one that is just starting reads everything anew anyway."""
    if control.process is not None and control.process.poll() is None:
        control.process.send_signal(signal.SIGHUP)


def _watch(supervisor: _Supervisor, child: _Child, now: float) -> bool:
    """Start a child that is due, note one that ended. False when one refused to start at all."""
    if child.process is None:
        if now >= child.due:
            child.started = now
            child.pulse.begin(now)
            # A group of its own: Ctrl-C in a terminal is for the supervisor alone, which stops them in order.
            with piped(child.secrets) as (arguments, fds):
                child.process = subprocess.Popen(
                    [*child.argv, *arguments, "--beat-fd", str(child.pulse.write)],
                    pass_fds=(*child.pass_fds, *fds, child.pulse.write),
                    stdin=subprocess.DEVNULL,
                    process_group=0,
                )
        return True
    code = child.process.poll()
    if code is None:
        child.pulse.listen(now)
        if child.pulse.silent(now):
            _say(
                f"the {child.name} (pid {child.process.pid}) is stopped or hangs; it is ended, and started again"
            )
            write_down(supervisor.runtime_dir, child.name)
            child.process.kill()
        return True
    child.process = None
    if code == REFUSED and not supervisor.announced:
        supervisor.exit_code = 1
        return False
    child.restarts = 0 if now - child.started > _HEALTHY_SECONDS else child.restarts + 1
    child.due = now + _BACKOFF[min(child.restarts, len(_BACKOFF) - 1)]
    _say(f"the {child.name} ended (code {code}); starting it again")
    return True


def _say(text: str) -> None:
    print(f"pointsman: {text}", file=sys.stderr, flush=True)  # noqa: T201 -- the gateway's own log


def _control_answers(runtime_dir: str) -> bool:
    """Does the control plane take connections yet?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.path.join(runtime_dir, "control.sock"))
        except OSError:
            return False
    return True


def _announce(supervisor: _Supervisor) -> None:
    options = supervisor.options
    supervisor.announced = True
    _note(supervisor)
    if options.json:
        said = {"url": supervisor.url, "pid": os.getpid()}
        if options.unix is not None:
            said["unix"] = str(options.unix)
        print(json.dumps(said), flush=True)  # noqa: T201
    elif options.on_ready is not None:
        options.on_ready(supervisor.url)


def _note(supervisor: _Supervisor) -> None:
    """Write down where commands find this gateway. A disk that does not take it is tried again."""
    facts = {
        "pid": os.getpid(),
        "url": supervisor.url,
        "socket": os.path.join(supervisor.runtime_dir, "control.sock"),
        "started_at": time.time(),
    }
    with suppress(OSError):
        write_over(supervisor.options.data_dir / config.SERVE_FILE, json.dumps(facts))
        supervisor.noted = True


def _stop_children(supervisor: _Supervisor) -> None:
    """Data plane first: it drains, and its last usage goes to the control plane, which goes last."""
    supervisor.listeners.close()  # else who connects now would wait for nobody until all have drained (R8)
    control, workers = supervisor.children[0], supervisor.children[1:]
    for group, seconds in ((workers, supervisor.limits.drain_seconds + 5.0), ([control], 10.0)):
        running = [child.process for child in group if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + seconds
        hurried = False
        while any(process.poll() is None for process in running) and time.monotonic() < deadline:
            if supervisor.hurry and not hurried:
                hurried = True
                for process in running:
                    process.terminate()
            time.sleep(0.02)
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
