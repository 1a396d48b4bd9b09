"""The control plane's end of the link: what data-plane processes send up and ask, each kind to whom it is for. Not here:
what is sent down (control_plane.py), and the link itself (link/server.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from ...link.kept_messages import KeepAnswer, KeepRecorded
from ...link.messages import (
    AnswerFound,
    AnswerQuestion,
    Captured,
    FoundServers,
    Reached,
    Shadowed,
    Up,
    UsageBatch,
    WorkerStatus,
)
from ...link.server import LinkServer
from . import remembering
from .control_plane import ControlPlane

log = logging.getLogger("pointsman.control")


async def connect_link(control: ControlPlane, path: str) -> LinkServer:
    """Listen for data-plane processes on a Unix socket, from the running loop."""
    accountant = control.accountant
    looking = (control.answers.find, control.recordings.find, partial(remembering.find, control))
    up, ask = partial(take, control), partial(find_answer, control)
    lend = None if accountant.leases is None else accountant.lend
    keep = partial(remembering.keep, control)
    link = LinkServer(path, up, ask, accountant.find, accountant.server, *looking, leases=lend, remember=keep)
    accountant.cashier.follow(control.snapshot.limits)
    await link.start()
    control.connected(link, asyncio.get_running_loop())
    return link


def take(control: ControlPlane, worker: int, message: Up) -> None:
    """A usage batch is on disk when this returns."""
    if isinstance(message, WorkerStatus):
        if control.board.take(message, time.monotonic()):
            control.live.changed("backends")
        control.watch.look()
    elif isinstance(message, UsageBatch):
        control.usage.add(message.block, again=message.again)
        control.live.changed("requests", "spending")
        if control.nodes is not None:
            control.nodes.stored += 1
        for tap in control.taps:
            try:
                tap(message.block)
            except Exception:  # it is stored all the same, and must not come again
                log.exception("usage could not be told on")
    elif isinstance(message, Reached):
        control.accountant.reached(message)
    elif isinstance(message, Captured):
        control.captured.keep(message)
        control.live.changed("bodies")
    elif isinstance(message, KeepAnswer):
        control.answers.keep(message)
    elif isinstance(message, Shadowed):
        control.shadows.add(message)
    elif isinstance(message, KeepRecorded):
        control.recorders.take(message)
    elif isinstance(message, FoundServers) and message.servers != control.servers:
        control.servers = message.servers
        told = [f"{one.title} at {one.base_url}" for one in message.servers]
        log.info("model servers on this computer: %s", ", ".join(told) or "none")
        control.republish_found()


def find_answer(control: ControlPlane, question: AnswerQuestion) -> AnswerFound:
    """Who made an answer that a client asks for by its id."""
    target, model = control.usage.answer(question.key_id, question.name) or (None, "")
    return AnswerFound(question.number, target, model)
