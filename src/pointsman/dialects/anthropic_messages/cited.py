"""A text with citations cut into blocks: Messages cites by whole blocks ("Each text block may have citations"), the
other protocols by places in a text (docs/protocols/messages.md#citations).

A block begins where a cited span does and ends where it ends; spans that overlap share one. No block is of white space
alone: a client would send it back and be refused. Not here: how a block is written (writer.py, reply.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...conversation.parts import Citation
from .content_out import citation as block_citation

SAID, CITED, CUT = "text", "citation", "cut"
"""What is to be done: these words, or this citation, go into the open block (which they open); or it ends."""

Step = tuple[str, Any]


class CitedText:
    """One text part on its way into blocks. cite(), text(), end() give the steps, in order. A citation whose words were
    told before it came stands on the block that holds the last of them. Memory: the citations whose words are to come."""

    __slots__ = ("_at", "_blank", "_cut", "_held", "_now", "_spans", "_under", "_until", "plain")

    def __init__(self) -> None:
        self.plain = False  # nothing but words can come of more words: told() is enough
        self._at = 0  # characters of the part so far
        self._blank = True  # the open block has no words yet
        self._held = ""  # white space that may be of the next block
        self._cut = False  # the next words begin a block
        self._now: list[dict[str, Any]] = []  # citations of the block that is to be opened
        self._spans: list[tuple[int, int, dict[str, Any]]] = []  # to come: start, end, citation; by start
        self._under: list[dict[str, Any]] = []  # citations of the span that is under way
        self._until = 0  # where that ends

    def told(self, size: int) -> None:
        """While `plain`: so many characters went out as they were."""
        self._at += size

    def cite(self, found: Citation) -> list[Step]:
        """A citation. Without a span of its own it stands on the block that is open, or comes next."""
        value = block_citation(found, synthetic=True)
        if value is None:
            return []
        start, end = found.start, found.end
        self.plain = False
        if start is None or end is None or end <= start:
            return list(self._stand([value]))
        if end <= self._at:
            self._cut = True
            return list(self._stand([value]))
        if self._under and start < self._until:
            self._under.append(value)
            self._until = max(self._until, end)
        else:
            self._spans.append((start, end, value))
            self._spans.sort(key=lambda span: span[0])
        return []

    def text(self, text: str) -> list[Step]:
        """More words."""
        steps: list[Step] = []
        while text:
            size = self._reach()
            piece, text = (text, "") if size is None else (text[:size], text[size:])
            steps.extend(self._say(piece))
            self._at += len(piece)
            if len(piece) == size:
                steps.extend(self._blank_before())
                self._cut = True
                if self._at == self._until:
                    steps.extend(self._stand(self._under))
                    self._under = []
        self.plain = not (self._blank or self._cut or self._under or self._spans)
        return steps

    def end(self) -> list[Step]:
        """The part is over; spans beyond it are of its last block."""
        left = [*self._under, *(value for _, _, value in self._spans)]
        steps = [*self._blank_before(), *self._stand(left)]
        if self._now:  # a citation alone
            steps += [(SAID, self._held), *((CITED, value) for value in self._now)]
        return steps

    def _reach(self) -> int | None:
        """So many characters to where a span begins or ends; None: none does."""
        if not self._under and self._spans and self._spans[0][0] <= self._at:
            self._until = self._spans[0][1]
            self._cut = self._cut or self._spans[0][0] == self._at
        while self._spans and self._spans[0][0] < max(self._until, self._at + 1) and self._until > self._at:
            _, end, value = self._spans.pop(0)
            self._under.append(value)
            self._until = max(self._until, end)
        if self._under:
            return self._until - self._at
        return self._spans[0][0] - self._at if self._spans else None

    def _stand(self, values: list[dict[str, Any]]) -> Iterator[Step]:
        if self._blank:
            self._now += values
        else:
            yield from ((CITED, value) for value in values)

    def _blank_before(self) -> Iterator[Step]:
        """White space between two blocks, before words of the next: of the one before."""
        if self._held and not self._blank:
            held, self._held = self._held, ""
            yield SAID, held

    def _say(self, text: str) -> Iterator[Step]:
        if self._cut or self._blank:
            self._held += text
            if not self._held.strip():
                return
            text, self._held = self._held, ""
            if not self._blank:
                yield CUT, None
            self._blank = self._cut = False
            yield from ((CITED, value) for value in self._now)
            self._now = []
        yield SAID, text


def blocks_of(text: str, citations: tuple[Citation, ...]) -> list[dict[str, Any]]:
    """A whole text as blocks: what its stream would make of it when the citations come first."""
    if not citations:
        return [{"type": "text", "text": text}] if text.strip() else []
    cutter = CitedText()
    steps = [step for one in citations for step in cutter.cite(one)]
    steps += [*cutter.text(text), *cutter.end()]
    blocks: list[dict[str, Any]] = []
    begun = False
    for kind, value in steps:
        if kind == CUT:
            begun = False
            continue
        if not begun:
            blocks.append({"type": "text", "text": ""})
            begun = True
        if kind == SAID:
            blocks[-1]["text"] += value
        else:
            blocks[-1].setdefault("citations", []).append(value)
    return blocks
