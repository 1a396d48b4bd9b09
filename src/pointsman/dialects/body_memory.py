"""How a caller's bodies were cut into members and turns: agents send the same ones each turn, and more at their end.

A body that begins as one before it is cut by comparing bytes, turn by turn and from its end member by member; only what is
new between is looked at. Nothing is read by this: the pieces are the very bytes of the body, and cutting it anew would give
the same. Bounds: MOST_BODIES of a caller, MOST_BYTES of all, the least recently used goes first. Not here: what is read of
a turn (turn_memory.py), and of tools (tool_memory.py).
"""

from __future__ import annotations

from threading import Lock

import msgspec

MOST_BODIES = 16
MOST_BYTES = 4 * 1024 * 1024
_LARGEST = MOST_BYTES // 4
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_MARKED = 2
"""The last turns of a body may be others in the next, where a mark for the cache wanders (clients of Messages)."""
Member = tuple[bytes, str, bytes]
"""(what stands before its value: `,"key":`, the key, the value's text)."""


class Cut:
    """A body without white space between its values. head: up to its first turn. first: members before the turns, by key.
    texts: of its turns. rest: the members behind them. proven: keys of members that were read before, so that no key
    stands twice in them."""

    __slots__ = ("first", "head", "proven", "rest", "size", "texts")

    def __init__(
        self,
        head: bytes,
        first: dict[str, bytes],
        texts: list[bytes],
        rest: list[Member],
        size: int,
        proven: frozenset[str] = frozenset(),
    ) -> None:
        self.head = head
        self.first = first
        self.texts = texts
        self.rest = rest
        self.size = size
        self.proven = proven


class Bodies:
    """Cuts by whose they are. Its lock: large bodies are read by threads."""

    def __init__(self, most_bodies: int = MOST_BODIES, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bodies
        self._most_bytes = most_bytes
        self._kept: dict[str, list[Cut]] = {}  # the least recently used first; of each the last one first
        self._lock = Lock()
        self.bytes = 0

    def cut(self, body: bytes, whose: str, history: str) -> tuple[Cut, Cut | None] | None:
        """The body cut, and the one before that it goes on with. history: the member that has the turns. None where it is
        not written without white space. Raises msgspec.DecodeError, UnicodeDecodeError where it cannot be cut."""
        with self._lock:
            kept = tuple(self._kept.get(whose, ()))
        best, known, end = None, 0, 0
        for one in kept:
            if body.startswith(one.head):
                same, at = _same_turns(body, one)
                if same > known:
                    best, known, end = one, same, at
        if best is not None:
            cut = _along(body, best, known, end, history)
            if cut is not None:
                return cut, best if known + _MARKED >= len(best.texts) else None
        cut = _anew(body, history)
        return None if cut is None else (cut, None)

    def keep(self, whose: str, cut: Cut, instead: Cut | None) -> None:
        """Remember one that has been read, all of it. instead: of the one before that begins like it."""
        if cut.size > _LARGEST:
            return
        with self._lock:
            own = self._kept.pop(whose, [])
            kept = [one for one in own if one is not instead]
            self._kept[whose] = [cut, *kept[: self._most - 1]]
            self.bytes += sum(one.size for one in self._kept[whose]) - sum(one.size for one in own)
            while self.bytes > self._most_bytes:
                oldest = next(iter(self._kept))
                self.bytes -= self._kept[oldest].pop().size
                if not self._kept[oldest]:
                    del self._kept[oldest]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0


BODIES = Bodies()


def _same_turns(body: bytes, before: Cut) -> tuple[int, int]:
    """How many turns are the same, from the first on, and where the next would begin; where there is none, the place behind
    the last. The body begins like the one before.

    What is before a turn that is the same is the same, too, so that a value begins here as it did there; and since the text
    of a turn is a whole value, what follows it is behind a value here, too."""
    at, known = len(before.head), 0
    for text in before.texts:
        if not body.startswith(text, at):
            break
        known += 1
        at += len(text)
        if not body.startswith(b",", at):
            break
        at += 1
    return known, at


def _along(body: bytes, before: Cut, known: int, at: int, history: str) -> Cut | None:
    """The body cut as the one before, of whose turns it has the first. at: behind these. None where it must be cut anew."""
    end, same = len(body) - 1, len(before.rest)
    for name, _, text in reversed(before.rest):
        begin = end - len(text)
        if not (body.endswith(text, at, end) and body.endswith(name, at, begin)):
            break
        end = begin - len(name)
        same -= 1
    new = body[at:end]
    if not body.endswith(b"}") or body.startswith(b",", at - 1) is new.startswith(b"]"):
        return None  # a comma too many or too few
    texts = before.texts[:known]
    between = [] if new == b"]" else _between(new, texts, history)
    if between is None:
        return None
    rest = before.rest[same:]
    proven = frozenset((*before.first, *(key for _, key, _ in rest)))
    if any(key in proven for _, key, _ in between):
        return None  # it stands twice
    return Cut(before.head, before.first, texts, [*between, *rest], len(body), proven)


def _between(new: bytes, texts: list[bytes], history: str) -> list[Member] | None:
    """The members that stand behind the turns; turns that are new are added to texts. new: from within the turns on."""
    members = _members(b'{"%b":[%b}' % (history.encode(), new))
    turns = memoryview(members.pop(history))
    items = [bytes(raw) for raw in _items(turns)]
    size = sum(map(len, items)) + max(len(items) - 1, 0) + 1
    texts += items
    found: list[Member] = []
    for key, raw in members.items():
        name, text = b"," + _encode(key) + b":", bytes(raw)
        size += len(name) + len(text)
        found.append((name, key, text))
    return found if size == len(new) else None


def _anew(body: bytes, history: str) -> Cut | None:
    members = _members(body)
    if history not in members:
        return None
    size = 0  # a brace stands before the first member, where commas stand before the others
    first: dict[str, bytes] = {}
    rest: list[Member] = []
    texts: list[bytes] | None = None
    head = b""
    for key, raw in members.items():
        name = b"," + _encode(key) + b":"
        size += len(name)
        view = memoryview(raw)
        if key == history:
            head = body[: size + 1]
            texts = [bytes(item) for item in _items(view)]
            if sum(map(len, texts)) + max(len(texts) - 1, 0) + 2 != len(view):
                return None
        elif texts is None:
            first[key] = bytes(view)
        else:
            rest.append((name, key, bytes(view)))
        size += len(view)
    if size + 1 != len(body) or texts is None:
        return None
    return Cut(head, first, texts, rest, len(body))
