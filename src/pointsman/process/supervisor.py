"""`pointsman serve`: holds the listening socket and the data folder's lock, starts the other processes, starts them
again when they die, passes signals on. Imports nothing heavy and looks into no request.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from .. import __version__, config
from ..wire.authority import host_name, is_loopback_host
from ..wire.origins import ANY, caution
from .beats import START_SECONDS
from .children import SUPERVISOR, Child, start, watch
from .data_lock import ORPHAN_SECONDS, runtime_folder, sign, take_lock
from .environment import take
from .given_back import give_back
from .listeners import EVERYWHERE, Listeners
from .log_file import LogFile
from .parent import REFUSED, REPLACED_SIGNAL, reap_strangers
from .private_files import write_over
from .saying import keep_in, note_down, say
from .serve_options import ServeOptions
from .service_manager import ServiceManager
from .settings import Settings, read_settings
from .standing import CONTROL_READY

_AWAY_SECONDS = 2.5
_LAST_SECONDS = 15.0
"""After a drain: until an old process must have ended."""
_MOST_WORKERS = 64
"""As `--workers` allows: numbers of a generation's processes."""


@dataclass(slots=True)
class _Supervisor:
    options: ServeOptions
    limits: config.Limits
    runtime_dir: str
    url: str
    listeners: Listeners
    children: list[Child] = field(default_factory=list)  # the control plane, then one a slot
    screen: subprocess.Popen[bytes] | None = None  # while it prints
    make: Callable[[int, int], Child] = field(init=False)  # a data-plane process, by slot and generation
    generation: int = 0
    to_replace: list[int] = field(default_factory=list)  # slots whose process is to be a new one
    warden: Child | None = None  # starts and stops engines, where there are any
    life: int | None = None  # what it knows by that this process lives
    coming: Child | None = None  # the new process of the first of them, not ready yet
    going: list[Child] = field(default_factory=list)  # replaced, with requests to finish
    ready: set[int] = field(default_factory=set)  # numbers of those that have said so
    stopping: bool = False
    announced: bool = False  # it has served
    noted: bool = False  # and its commands can find it
    reload: bool = False  # told to read the rules and the master key again
    looked: float = 0.0  # when it last looked at its children
    hurry: bool = False  # told to stop a second time: no more waiting for requests
    exit_code: int = 0
    manager: ServiceManager = field(
        default_factory=ServiceManager
    )  # is told when it serves and when it stops


def serve(options: ServeOptions) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code; raises PointsmanError when it cannot start."""
    settings = read_settings()
    os.umask(0o077)  # whatever is made from here on, by the children too, is this user's alone
    lock, after_a_kill = take_lock(options.data_dir)
    if config.log_wishes().file:
        keep_in(LogFile(options.data_dir / config.LOG_FILE))
    listeners = Listeners()
    patience = ORPHAN_SECONDS if after_a_kill else 0.0
    if options.tcp:
        # who has a balancer is refused until this serves: a client that waited here would be served by another meanwhile
        alone = not settings.limits.leave_seconds
        listeners.tcp(options.host, options.port, patience, options.workers, waiting=alone)
    if options.unix is not None:
        listeners.unix(options.unix, options.unix_group, patience)
    runtime_dir = runtime_folder()
    sign(lock, runtime_dir)
    url = listeners.url(options.host)
    supervisor = _Supervisor(options, settings.limits, runtime_dir, url, listeners)
    ready_read, ready_write = os.pipe()
    wake_read, wake_write = os.pipe()
    try:
        for fd in (*listeners.descriptors, lock, ready_write):
            os.set_inheritable(fd, True)
        os.set_blocking(wake_write, False)
        _plan_children(supervisor, settings, lock, ready_write)
        _handle_signals(supervisor, wake_write)
        return _loop(supervisor, ready_read, wake_read)
    finally:
        with suppress(OSError):
            (options.data_dir / config.SERVE_FILE).unlink()
        shutil.rmtree(runtime_dir, ignore_errors=True)
        with suppress(OSError):
            os.ftruncate(lock, 0)
        listeners.close()
        if supervisor.screen is not None:
            supervisor.screen.kill()
            supervisor.screen.wait()
        for child in _all(supervisor):
            child.pulse.close()
        for fd in (lock, ready_read, ready_write, wake_read, wake_write):
            os.close(fd)
        if supervisor.life is not None:
            os.close(supervisor.life)


def _plan_children(supervisor: _Supervisor, settings: Settings, lock_fd: int, ready_fd: int) -> None:
    options, runtime_dir, url = supervisor.options, supervisor.runtime_dir, supervisor.url
    allowed: list[str] = []
    by_nodes = [host_name(options.node_url.partition("://")[2]) or ""] if options.node_url else []
    for host in (*options.allow_hosts, *settings.hosts, *by_nodes):
        allowed += ["--allow-host", host]
    for origin in options.allow_origins:
        allowed += ["--allow-origin", origin]
    for origin in settings.origins:
        allowed += ["--environment-origin", origin]
    origins = {*options.allow_origins, *settings.origins}
    for warning in filter(None, map(caution, sorted(origins))):
        say(SUPERVISOR, warning)
    control = [*config.LEAN_PYTHON, "-m", "pointsman.admin", "--data-dir", str(options.data_dir)]
    control += ["--runtime-dir", runtime_dir, "--ready-fd", str(ready_fd), "--public-url", url, *allowed]
    control += ["--told", options.told, "--node", options.node]
    control += ["--node-url", _reached(options, url)]
    looking = [word for port in options.discover_ports for word in ("--discover-port", str(port))]
    looking += [] if options.discover else ["--no-discover"]
    control += looking
    if ANY in origins or not is_loopback_host(options.host):
        control += ["--require-keys"]
    secrets = {
        config.KEY_VARIABLE: take(config.KEY_VARIABLE),
        config.CLIENT_KEY_VARIABLE: settings.client_key,
    }
    given = {name: secret for name, secret in secrets.items() if secret is not None}

    def make(slot: int, generation: int) -> Child:
        number = slot + generation * _MOST_WORKERS
        fds = supervisor.listeners.of_worker(slot)
        argv = [*config.LEAN_PYTHON, "-m", "pointsman.gateway", "--runtime-dir", runtime_dir]
        for listen_fd in fds:
            argv += ["--listen-fd", str(listen_fd)]
        argv += ["--ready-fd", str(ready_fd), "--worker", str(number)]
        argv += ["--workers", str(options.workers), "--spool", str(options.data_dir / config.SPOOL_FOLDER)]
        argv += ["--log", str(options.data_dir / config.LOG_FILE)]
        argv += ["--host", options.host, *allowed, *(["--replaces"] if generation else [])]
        argv += looking if slot == 0 else ["--no-discover"]  # one of them is enough
        return Child(f"data plane {slot}", argv, (*fds, ready_fd), number)

    supervisor.make = make
    supervisor.children = [Child("control plane", control, (lock_fd, ready_fd), secrets=given)]
    supervisor.children += [make(slot, 0) for slot in range(options.workers)]


def _reached(options: ServeOptions, url: str) -> str:
    """Where other nodes reach it; "" where that cannot be told: it listens everywhere, or on this computer alone."""
    nowhere = not options.tcp or options.host in EVERYWHERE or is_loopback_host(options.host)
    return options.node_url or ("" if nowhere else url)


def _lasting(supervisor: _Supervisor) -> list[Child]:
    """Those that are started again whenever they end."""
    return [*supervisor.children, *([supervisor.warden] if supervisor.warden is not None else [])]


def _all(supervisor: _Supervisor) -> list[Child]:
    coming = [supervisor.coming] if supervisor.coming is not None else []
    return [*_lasting(supervisor), *coming, *supervisor.going]


def _look_after(supervisor: _Supervisor, child: Child, now: float) -> bool:
    """False when one refused to start at all."""
    code = watch(child, supervisor.runtime_dir, now)
    if code == REFUSED and not supervisor.announced:
        supervisor.exit_code = 1
        return False
    if code is not None:
        say(SUPERVISOR, f"the {child.name} ended (code {code}); starting it again")
    return True


def _see_to_warden(supervisor: _Supervisor) -> None:
    """There is one from the first engine on: 12 MB that nobody else pays. Its life line is a pipe whose other end this
    process alone has: when that closes, whatever the reason, engines end (decision 0012)."""
    folder = supervisor.options.data_dir / config.ENGINES_FOLDER
    if supervisor.warden is not None or not any(folder.glob("*.json")):
        return
    life, supervisor.life = os.pipe()
    os.set_inheritable(life, True)
    argv = [*config.OWN_PYTHON, "-m", "pointsman.warden", "--data-dir", str(supervisor.options.data_dir)]
    argv += ["--runtime-dir", supervisor.runtime_dir, "--life-fd", str(life)]
    budget = supervisor.options.engine_budget
    argv += [] if budget is None else ["--budget", str(budget)]
    supervisor.warden = Child("warden", argv, (life,))


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
    while not supervisor.stopping:
        now = time.monotonic()
        if now - supervisor.looked > _AWAY_SECONDS:  # stopped itself, or the machine slept
            for child in _all(supervisor):
                child.pulse.excuse(now)
        supervisor.looked = now
        _see_to_warden(supervisor)
        if not all([_look_after(supervisor, child, now) for child in _lasting(supervisor)]):
            break
        wait = min([child.due - now for child in _lasting(supervisor) if child.process is None], default=1.0)
        if supervisor.to_replace:
            wait = min(wait, 0.1)
        readable, _, _ = select.select([ready_fd, wake_fd], [], [], max(0.01, min(wait, 1.0)))
        if wake_fd in readable:
            os.read(wake_fd, 4096)
            reap_strangers(child.process.pid for child in _all(supervisor) if child.process is not None)
        if supervisor.reload:
            supervisor.reload = False
            _reload(supervisor)
        if ready_fd in readable:
            supervisor.ready.update(int(number) for number in os.read(ready_fd, 4096).split())
        _replace(supervisor, now)
        if not supervisor.announced and CONTROL_READY in supervisor.ready and max(supervisor.ready) >= 0:
            _announce(supervisor)
        elif supervisor.announced and not supervisor.noted:
            _note(supervisor)
        if supervisor.screen is not None and supervisor.screen.poll() is not None:
            supervisor.screen = None
    _stop_children(supervisor)
    note_down(SUPERVISOR, "stopped")
    return supervisor.exit_code


def _reload(supervisor: _Supervisor) -> None:
    """The control plane reads again (one that is just starting does anyway), and the data plane's processes are replaced,
    one slot after the other."""
    control = supervisor.children[0]
    if control.process is not None and control.process.poll() is None:
        control.process.send_signal(signal.SIGHUP)
    supervisor.to_replace = list(range(supervisor.options.workers))
    if supervisor.coming is not None:  # it began with what was read before
        supervisor.to_replace = [supervisor.coming.number % _MOST_WORKERS, *supervisor.to_replace]


def _replace(supervisor: _Supervisor, now: float) -> None:
    """Go on with it: start a new process, and once it listens let the old one finish what it has."""
    for child in list(supervisor.going):
        if child.process is None or child.process.poll() is not None:
            supervisor.going.remove(child)
            child.pulse.close()
        elif now - child.started > supervisor.limits.drain_seconds + _LAST_SECONDS:
            child.process.kill()
    coming = supervisor.coming
    if coming is None:
        if supervisor.to_replace:
            supervisor.generation += 1
            supervisor.coming = supervisor.make(supervisor.to_replace[0], supervisor.generation)
            start(supervisor.coming, now)
        return
    assert coming.process is not None
    if coming.process.poll() is not None or now - coming.started > START_SECONDS:
        say(
            SUPERVISOR,
            f"the new {coming.name} did not start; the old one serves on, and no more are replaced",
        )
        coming.process.kill()
        coming.process.wait()
        coming.pulse.close()
        supervisor.coming, supervisor.to_replace = None, []
    elif coming.number in supervisor.ready:
        slot = supervisor.to_replace.pop(0)
        old, supervisor.children[1 + slot] = supervisor.children[1 + slot], coming
        supervisor.coming = None
        old.started = now
        supervisor.going.append(old)
        if old.process is not None:
            old.process.send_signal(REPLACED_SIGNAL)
        if not supervisor.to_replace:
            say(SUPERVISOR, "the data plane was replaced; old processes finish what they have")


def _announce(supervisor: _Supervisor) -> None:
    options = supervisor.options
    supervisor.announced = True
    note_down(SUPERVISOR, f"Pointsman {__version__} answers at {supervisor.url}")
    _note(supervisor)
    supervisor.manager.tell("READY=1", f"STATUS=serving {supervisor.url}")
    if options.json:
        said = {"url": supervisor.url, "pid": os.getpid()}
        if options.unix is not None:
            said["unix"] = str(options.unix)
        print(json.dumps(said), flush=True)  # noqa: T201
    elif options.screen:
        said_of_it = ("--url", supervisor.url, "--host", options.host, "--standing", supervisor.runtime_dir)
        supervisor.screen = subprocess.Popen([*options.screen, *said_of_it], stdin=subprocess.DEVNULL)
    give_back()


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
    supervisor.manager.tell("STOPPING=1", "STATUS=finishing the requests it has")
    supervisor.listeners.close()  # else who connects now would wait for nobody until all have drained (R8)
    control, *workers = (child for child in _all(supervisor) if child is not supervisor.warden)
    last = [control, *([supervisor.warden] if supervisor.warden is not None else [])]
    drain = supervisor.limits.leave_seconds + supervisor.limits.drain_seconds
    for group, seconds in ((workers, drain + 5.0), (last, _LAST_SECONDS)):
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
