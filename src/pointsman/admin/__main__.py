"""The control plane's process: opens what there is, links up with the data plane, then answers HTTP.

The link comes first. FastAPI and what it needs, 20 MB, are imported when somebody asks something for the first time: a
gateway whose admin API nobody uses is small, and that one question waits for it (docs/design.md#what-it-costs).

Exit code 3: it refuses to start (the reason is on standard error) and must not be started again; anything else that is
not 0 is an accident, and the supervisor starts it anew.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # while 500 modules are imported, of which hardly anything is garbage

import asyncio
import atexit
import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..config import CLIENT_KEY_VARIABLE, DATABASE_VARIABLE, KEY_VARIABLE, LOG_FILE, otel_url
from ..errors import PointsmanError
from ..process.beats import BEAT_SECONDS, REPLACED_FILE, beat
from ..process.environment import from_pipe, take
from ..process.garbage import collect_seldom, imported
from ..process.given_back import Lull
from ..process.logs import set_up
from ..process.orders import orders
from ..process.parent import REFUSED, die_with_parent, end_with_parent, leave_nothing
from ..process.private_files import private_socket
from ..process.saying import say
from ..process.standing import CONTROL_READY, STANDING_FILE, leave
from ..secret import Secret
from .control.capturing import look_after_captures
from .control.control_plane import ControlPlane
from .control.first_standing import standing_of
from .control.intake import connect_link
from .control.last_good import LastGood
from .control.opening import LostDatabase, Options, StartValue
from .control.standby import Standby
from .store.database_url import database_place
from .store.sqlite_backing import migration_is_due

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger("pointsman.control")

_NAME = "control-plane"
_LAST_SECONDS = 15.0
"""How long it may take to end when its parent is gone."""

_QUEUE = 128
"""Connections that wait for it."""

_NEEDS_KEY = (
    "To serve other computers, or the pages of every origin (*), clients need keys, and there is none yet. Make one first:"
    " pointsman key create; or give one in POINTSMAN_CLIENT_KEY or POINTSMAN_CLIENT_KEY_FILE"
)


class _ControlOrders(msgspec.Struct, frozen=True):
    """beat_fd: signs of life are written there. ready_fd: that its socket takes connections is. key_fd: the environment's
    secrets are read from there. node: this gateway's name among those on one PostgreSQL; node_url: where others reach it.
    told: what the start was asked, as JSON. See process/orders.py."""

    data_dir: Path
    runtime_dir: Path
    beat_fd: int | None = None
    ready_fd: int | None = None
    key_fd: int | None = None
    public_url: str = ""
    node: str = ""
    node_url: str = ""
    require_keys: bool = False
    no_discover: bool = False
    discover_port: tuple[int, ...] = ()
    told: str = "[]"
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    environment_origin: tuple[str, ...] = ()


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM. Returns the exit code."""
    imported()
    faulthandler.enable()
    args = orders(_ControlOrders, sys.argv[1:] if argv is None else argv)
    set_up(_NAME, "INFO", args.data_dir / LOG_FILE)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its plugin list is nobody's news
    left = ("control.sock", "link.sock", STANDING_FILE, REPLACED_FILE)
    atexit.register(leave_nothing, str(args.runtime_dir), left)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # everything is being read anyway
    environ, client_key = _environ(args.key_fd)
    options = Options(
        url=args.public_url,
        require_keys=args.require_keys,
        allow_hosts=args.allow_host,
        allow_origins=args.allow_origin,
        environment_origins=args.environment_origin,
        client_key=client_key,
        discover=not args.no_discover,
        discover_ports=args.discover_port,
        told=msgspec.json.decode(args.told, type=tuple[StartValue, ...]),
        reach=args.node_url,
    )
    _settle(args.data_dir, environ, options)
    end_with_parent(_LAST_SECONDS)
    try:
        control = ControlPlane.open(args.data_dir, environ, options)
    except PointsmanError as error:
        # what passes by itself (a locked file, a full disk) is waited for, what a person must mend is not
        if error.retry_after is None:
            say(_NAME, error.public)
            return REFUSED
        found = _stand_by(args, environ, options, error)
        if found is None:
            return 0
        if isinstance(found, int):
            return found
        control = found
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the loop that waited gave it back
    try:
        if (refused := _refused(control, args.node)) is not None:
            say(_NAME, refused)
            return REFUSED
        for problem in control.snapshot.problems:
            log.warning("degraded: %s", problem)
        asyncio.run(_serve(control, args))
    finally:
        control.close()
    return 0


def _refused(control: ControlPlane, name: str) -> str | None:
    """Why it may not serve. On a PostgreSQL it is one of its nodes from now on."""
    if control.options.require_keys and not control.keys_ever_made:
        return _NEEDS_KEY
    if control.nodes is not None:
        try:
            control.nodes.join(name or socket.gethostname(), control.epoch, control.options.url)
        except PointsmanError as error:
            return error.public
    return None


def _settle(data_dir: Path, environ: Mapping[str, str], options: Options) -> None:
    """What an update does to the database is done by a child, and the 11 MB that alembic takes go with it. Where that fails,
    this process meets the same trouble and says so. While there is no other thread: it forks."""
    with contextlib.suppress(PointsmanError):
        place = database_place(data_dir, environ.get(DATABASE_VARIABLE))
        if not isinstance(place, Path) or not migration_is_due(place):
            return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        die_with_parent()
        logging.disable()
        ControlPlane.open(data_dir, environ, options).close()
    finally:
        os._exit(0)


def _stand_by(
    args: _ControlOrders, environ: Mapping[str, str], options: Options, cause: PointsmanError
) -> ControlPlane | int | None:
    """The runtime once it opens, None when told to stop, 1 when there is nothing to serve by meanwhile."""
    snapshot, problem = LastGood(args.data_dir).read(environ)
    if snapshot is None and isinstance(cause, LostDatabase):  # nothing that passes by itself
        say(_NAME, f"{cause.public} The last good rules cannot be used either: {problem}.")
        return REFUSED
    say(_NAME, cause.public)
    if snapshot is None:
        if problem is not None:
            say(_NAME, f"the last good rules cannot be used either: {problem}")
        return 1
    if options.require_keys:  # it may have been kept by a gateway that served this machine alone
        snapshot = msgspec.structs.replace(snapshot, keys_required=True)

    async def wait() -> ControlPlane | None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # it is tried all the time
        warming = asyncio.create_task(asyncio.to_thread(_warm))
        beating = asyncio.create_task(_beat_for_ever(args.beat_fd))
        try:
            standby = Standby(
                snapshot,
                cause,
                lambda: ControlPlane.open(args.data_dir, environ, options),
                stopping,
                args.node or socket.gethostname(),
            )
            return await standby.run(args.runtime_dir, lambda: _say_ready(args.ready_fd))
        finally:
            beating.cancel()
            await warming

    return asyncio.run(wait())


def _warm() -> None:
    """Imports what the admin API needs, so that it is back sooner."""
    from . import app  # noqa: F401


def _environ(key_fd: int | None) -> tuple[Mapping[str, str], Secret | None]:
    """The environment, with the master key in it, which this process's own no longer holds; and a client key."""
    if key_fd is not None:
        secrets = from_pipe(key_fd)
    else:
        taken = {name: take(name) for name in (KEY_VARIABLE, CLIENT_KEY_VARIABLE)}
        secrets = {name: secret for name, secret in taken.items() if secret is not None}
    key = secrets.get(KEY_VARIABLE)
    environ = os.environ if key is None else {**os.environ, KEY_VARIABLE: key.reveal()}
    return environ, secrets.get(CLIENT_KEY_VARIABLE)


async def _beat_for_ever(descriptor: int | None) -> None:
    """Signs of life from the running event loop, until cancelled; what its work has left is given back."""
    lull = Lull()
    while True:
        beat(descriptor)
        lull.look()
        await asyncio.sleep(BEAT_SECONDS)


def _say_ready(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.write(descriptor, b"%d\n" % CONTROL_READY)


def _telemetry(control: ControlPlane) -> Callable[[], None]:
    """Sends what was stored to the collector that the environment names, if it names one. Returns what sends the rest."""
    url = otel_url()
    if not url:
        return lambda: None
    try:
        from .control.telemetry import Telemetry
    except ImportError:
        log.error(
            "POINTSMAN_OTEL is set and OpenTelemetry is not installed; run: pip install 'pointsman[otel]'"
        )
        return lambda: None
    telemetry = Telemetry(url, lambda: control.snapshot.mappings)
    control.taps.append(telemetry.take)
    return telemetry.close


async def _serve(control: ControlPlane, args: _ControlOrders) -> None:
    stopping = asyncio.Event()
    beating = asyncio.create_task(_beat_for_ever(args.beat_fd))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, control.reload))
    send_rest = _telemetry(control)
    link = await connect_link(control, str(args.runtime_dir / "link.sock"))
    publishing = asyncio.create_task(control.keep_published())
    engines = asyncio.create_task(control.engines.run(str(args.runtime_dir)))
    telling = asyncio.create_task(control.events.run())
    capturing = asyncio.create_task(look_after_captures(control))
    stopped = asyncio.create_task(stopping.wait())
    control.on_found = lambda: _leave(control, args.runtime_dir)
    control.on_found()
    try:
        with _listening(args.runtime_dir / "control.sock") as listener:
            _say_ready(args.ready_fd)
            collect_seldom(loop)
            asked = asyncio.create_task(_first_connection(listener))
            await asyncio.wait([asked, stopped], return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if not stopping.is_set():
                server = await asyncio.to_thread(_http_server, control)
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
                control.live.close()  # a server that ends waits for its streams
                server.should_exit = True
                await serving
    finally:
        stopping.set()
        publishing.cancel()
        engines.cancel()
        telling.cancel()
        capturing.cancel()
        beating.cancel()
        await asyncio.gather(publishing, engines, telling, capturing, beating, return_exceptions=True)
        await link.stop()
        await asyncio.to_thread(send_rest)


def _leave(control: ControlPlane, folder: Path) -> None:
    with contextlib.suppress(PointsmanError):  # it is for a screen alone
        leave(folder, standing_of(control))


async def _first_connection(listener: socket.socket) -> None:
    """Returns when somebody has connected, who is not taken yet."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(listener, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(listener)


def _http_server(control: ControlPlane) -> uvicorn.Server:
    """Imports and builds the HTTP side. Runs in a thread: the link answers meanwhile."""
    import uvicorn

    from .app import create_app

    class Server(uvicorn.Server):
        """Signals are ours: the data plane is told before HTTP ends."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        create_app(control),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        backlog=_QUEUE,
    )
    return Server(config)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket for this user only; one that a killed control plane left is replaced."""
    listener = private_socket(str(path))
    listener.listen(_QUEUE)
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
