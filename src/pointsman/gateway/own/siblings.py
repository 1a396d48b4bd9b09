"""Processes of one gateway ask one another for responses that a client refers to and they do not remember, and for who made
them: a Unix socket each, beside the link's, in the folder that only its user may enter.

Asked only on a miss and only where there are several processes; nothing is copied before. Not here: the memory
(translation/response_memory.py).
"""

from __future__ import annotations

import asyncio
import glob
import logging
import os
from collections.abc import Callable, Sequence

import msgspec

from ...dialects.recall import Given
from ...link.local_server import LocalServer
from ...translation.response_memory import ResponseMemory
from ..conversations import Conversations, Whereabouts
from ..holders import Holder, Holders

log = logging.getLogger("pointsman.gateway")

ASK_SECONDS = 1.0
"""A process that does not answer so fast is busy or gone: then it counts as one that does not know."""
_MAX_FRAME = 256 * 1024 * 1024


class _Question(msgspec.Struct, frozen=True):
    """holders: who made them is wanted, too. forget: the client has deleted them. conversation: whose standing is wanted.
    engine: base URL of a local server, which somebody may want."""

    caller: str
    names: tuple[str, ...]
    holders: bool = False
    forget: bool = False
    conversation: bytes = b""
    engine: str = ""


class Known(msgspec.Struct, frozen=True):
    """What processes know: responses, who made which, and which backends gave such an id to another caller."""

    given: list[Given] = []
    holders: dict[str, Holder] = {}
    of_others: list[str] = []
    standing: Whereabouts | None = None
    wanted: bool = False


_questions = msgspec.msgpack.Decoder(_Question)
_answers = msgspec.msgpack.Decoder(Known)


class Siblings:
    """folder: where the sockets are. worker: number of this process. wanted: see own/wanted.py."""

    def __init__(
        self,
        folder: str,
        worker: int,
        memory: ResponseMemory,
        holders: Holders,
        conversations: Conversations,
        wanted: Callable[[str], bool] = lambda engine: False,
    ) -> None:
        self._folder = folder
        self._own = os.path.join(folder, f"memory-{worker}.sock")
        self._memory = memory
        self._holders = holders
        self._conversations = conversations
        self._wanted = wanted
        self._server = LocalServer(self._own, self._answer)

    async def start(self) -> None:
        """Listen. Raises OSError when the socket cannot be made."""
        await self._server.start()

    async def stop(self) -> None:
        """Answer nobody any more."""
        await self._server.stop()

    async def ask(self, caller: str, names: Sequence[str]) -> list[Given]:
        """The responses that the others know by these ids of responses and items."""
        return (await self._ask_all(_Question(caller, tuple(names)))).given

    async def ask_for(self, caller: str, name: str) -> Known:
        """What the others know of the response of that id, and who made it."""
        return await self._ask_all(_Question(caller, (name,), holders=True))

    async def forget(self, caller: str, name: str) -> None:
        """Let the others forget the response of that id, too."""
        await self._ask_all(_Question(caller, (name,), forget=True))

    async def standing(self, conversation: bytes) -> Whereabouts | None:
        """Where a conversation stands, as the one has it that heard of it last; None where nobody knows it."""
        return (await self._ask_all(_Question("", (), conversation=conversation))).standing

    async def wanted(self, engine: str) -> bool:
        """Does another process want that local server now, for a client's request or a shadow?"""
        return (await self._ask_all(_Question("", (), engine=engine))).wanted

    async def _ask_all(self, question: _Question) -> Known:
        packed = msgspec.msgpack.encode(question)
        answers = await asyncio.gather(*(self._ask(path, packed) for path in self._others()))
        holders = {name: one for answer in answers for name, one in answer.holders.items()}
        of_others = [backend for answer in answers for backend in answer.of_others]
        standings = [answer.standing for answer in answers if answer.standing is not None]
        standing = max(standings, key=lambda one: one.at, default=None)
        given = [one for answer in answers for one in answer.given]
        return Known(given, holders, of_others, standing, any(answer.wanted for answer in answers))

    def _others(self) -> list[str]:
        """Their sockets; those who are replaced remember until they have ended."""
        found = glob.glob(os.path.join(glob.escape(self._folder), "memory-*.sock"))
        return [path for path in found if path != self._own]

    async def _ask(self, path: str, question: bytes) -> Known:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(_frame(question))
                    return _answers.decode(await _read(reader))
                finally:
                    writer.close()
        except (OSError, TimeoutError, EOFError, msgspec.DecodeError) as error:
            log.info("a process of this gateway does not say what it remembers: %s", type(error).__name__)
            return Known()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = _questions.decode(await _read(reader))
            found = {
                given.id: given
                for name in question.names
                if (given := self._memory.find(question.caller, name)) is not None
            }
            if question.forget:
                for name in question.names:
                    self._memory.forget(question.caller, name)
                    self._holders.forget(question.caller, name)
            made: dict[str, Holder] = {}
            others: set[str] = set()
            for name in question.names if question.holders else ():
                holder = self._holders.find(question.caller, name)
                made |= {} if holder is None else {name: holder}
                others |= self._holders.of_others(question.caller, name)
            stands = self._conversations.find(question.conversation) if question.conversation else None
            wanted = bool(question.engine) and self._wanted(question.engine)
            known = Known(list(found.values()), made, list(others), stands, wanted)
            writer.write(_frame(msgspec.msgpack.encode(known)))
            await writer.drain()
        except (OSError, EOFError, msgspec.DecodeError) as error:
            log.info("a process of this gateway asked and did not listen: %s", type(error).__name__)


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > _MAX_FRAME:
        raise EOFError
    return await reader.readexactly(size)
