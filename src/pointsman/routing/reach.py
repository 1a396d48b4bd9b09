"""Which rules can ever be asked, which take their requests, and which of them share names. Pure.

Patterns are read as languages: a rule that gets nothing is one whose names are all in those of the rules before it. To find
a name that no earlier rule takes it is enough to write a character that stands in no rule wherever the pattern leaves it
open: what covers that covers any other. So only the number of such characters at each star is searched, and all earlier
patterns are followed at once, a bit for each place in them. A rule with conditions takes all of another's requests only
where these hold whenever the other's do. Not here: the order (order.py), and what one name gets (table.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from ..kinds import PRACTICE
from .conditions import all_implied
from .order import RulePlace, in_order
from .pattern import is_wild
from .slices import at_once
from .specs import MappingSpec
from .walls import Walls, folded

_STEPS, _ALL_STEPS = 20_000, 200_000
"""Of a search for one name, and of all together. No rules that people write need a hundredth of it; some that could be
written need more than all time."""
_PAIRS = 2000
"""Rules beside each other that are looked at for what they share; 500 rules of providers have some hundred."""
_SPARE = 2
"""Characters more than would do, in names that are tried on walls."""
_FRESH = "x0qzjkyw_~XQZ\u00f8\u017e\u4e2d"
"""What an example's open places are filled with, the first that stands in no rule."""


class Shared(NamedTuple):
    """name: one that this rule would get, too, and the other gets."""

    id: int
    name: str


class Reach(NamedTuple):
    """name: one that the rule gets, None where it gets none. takers: the rules that then take all its names, together where
    there are several; none where it is the practice model that does. shared: earlier rules that take some of its names
    without being a special case of it. raised_over: later ones that by themselves would come first, and whose names it
    takes. known: False where it would take too long to find out; then it is taken for one that gets something."""

    name: str | None
    takers: tuple[int, ...] = ()
    shared: tuple[Shared, ...] = ()
    raised_over: tuple[int, ...] = ()
    known: bool = True


class TooLong(Exception):
    """It would take too many steps."""


class _Steps:
    """How many may still be taken."""

    __slots__ = ("all",)

    def __init__(self) -> None:
        self.all = _ALL_STEPS

    def search(self) -> Iterator[None]:
        """Those of one search. Raises TooLong."""
        for _ in range(_STEPS):
            self.all -= 1
            if self.all < 0:
                break
            yield
        raise TooLong


def reach(places: Sequence[RulePlace]) -> dict[int, Reach]:
    """Of each rule. places: the enabled ones, in any order."""
    ordered = in_order(places)
    return _Rules(ordered).all() if ordered else {}


def covers(pattern: str, other: str, steps: _Steps | None = None) -> bool:
    """Does the pattern cover every name that the other does? Raises TooLong."""
    alone = _Patterns([pattern])
    return next(alone.missed(other, alone.first(1), steps or _Steps()), None) is None


def common(pattern: str, other: str) -> str | None:
    """The shortest name that both cover, with something in it; None where there is none."""
    one, two = _Pattern(pattern), _Pattern(other)
    fresh = _fresh([pattern, other])
    seen = {(0, 0, False)}
    queue = deque([(0, 0, "")])
    while queue:
        here, there, name = queue.popleft()
        if here == one.end and there == two.end and name:
            return name
        for mine, step in one.steps(here):
            for theirs, other_step in two.steps(there):
                character = mine or theirs
                state = here + step, there + other_step, True
                if (mine and theirs and mine != theirs) or state in seen:
                    continue
                seen.add(state)
                queue.append((*state[:2], name + (character or fresh)))
    return None


def _fresh(patterns: Sequence[str]) -> str:
    """A character that stands in none, however it is written."""
    used = {character for pattern in patterns for character in pattern + folded(pattern)}
    candidates = chain(_FRESH, map(chr, chain(range(0x4E00, 0xD800), range(0x20000, 0x110000))))
    return next(one for one in candidates if one not in used and one.casefold() not in used)


class _Pattern:
    """Its characters without the stars, "" for `?`, and at which of them a star stands before; at `end` it is over."""

    __slots__ = ("end", "loops", "tokens")

    def __init__(self, pattern: str) -> None:
        self.tokens: list[str] = []
        loops: set[int] = set()
        for character in pattern:
            if character == "*":
                loops.add(len(self.tokens))
            else:
                self.tokens.append("" if character == "?" else character)
        self.loops = frozenset(loops)
        self.end = len(self.tokens)

    def steps(self, at: int) -> Iterator[tuple[str, int]]:
        """(the character that it takes there, "" for any; how far it gets by it)."""
        if at < self.end:
            yield self.tokens[at], 1
        if at in self.loops:
            yield "", 0


class _Patterns:
    """Many at once. A number with a bit for each place in each of them says where they stand."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = patterns
        self.starts: list[int] = []
        self.begin = self.ends = self.any = self.loops = 0
        self.literal: dict[str, int] = {}
        bit = 0
        for pattern in patterns:
            one = _Pattern(pattern)
            self.starts.append(bit)
            self.begin |= 1 << bit
            for at, token in enumerate(one.tokens, bit):
                if token:
                    self.literal[token] = self.literal.get(token, 0) | 1 << at
                else:
                    self.any |= 1 << at
            for loop in one.loops:
                self.loops |= 1 << bit + loop
            bit += one.end
            self.ends |= 1 << bit
            bit += 1
        self.size = bit

    @cached_property
    def fresh(self) -> str:
        """What stands in none of them."""
        return _fresh(self.patterns)

    def first(self, many: int, besides: Iterable[int] = ()) -> int:
        """The bits of so many of them. besides: numbers of those that do not count."""
        found = (1 << self._start(many)) - 1
        for number in besides:
            found &= ~((1 << self._start(number + 1)) - (1 << self._start(number)))
        return found

    def _start(self, number: int) -> int:
        return self.starts[number] if number < len(self.starts) else self.size

    def after(self, state: int, character: str) -> int:
        """Where they stand after it; "": one that is in none of them."""
        here = self.any | (self.literal.get(character, 0) if character else 0)
        return (state & here) << 1 | state & self.loops

    def number(self, bit: int) -> int:
        """Whose bit it is."""
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= bit else (low, middle)
        return low

    def numbers(self, state: int) -> Iterator[int]:
        """Those that cover what has been read, in their order."""
        found = state & self.ends
        while found:
            bit = (found & -found).bit_length() - 1
            yield self.number(bit)
            found &= found - 1

    def missed(self, pattern: str, those: int, steps: _Steps, spare: int = 0) -> Iterator[str]:
        """Names with something in them that the pattern covers and none of those (their bits) does, the shortest first.
        Where there is none, all its names are covered. spare: also those with so many characters more at stars. Raises
        TooLong."""
        one = _Pattern(pattern)
        start = 0, self.begin & those, False, 0
        seen = {start}
        queue = deque([(start, "")])
        for _ in steps.search():
            if not queue:
                return
            (at, state, some, more), name = queue.popleft()
            if at == one.end and some and not state & self.ends:
                yield name
            for character, step in one.steps(at):
                loops = min(spare, more + (not step))
                following = at + step, self.after(state, character), True, loops
                if following not in seen:
                    seen.add(following)
                    queue.append((following, name + (character or self.fresh)))

    def overlapping(self, pattern: str, many: int) -> int:
        """The ends of those of the first so many that share a name with the pattern."""
        one = _Pattern(pattern)
        states = self.begin & self.first(many)
        for at in range(one.end + 1):
            if at in one.loops:
                states = self._anywhere(states)
            if at < one.end:
                token = one.tokens[at]
                states = self.after(states, token) if token else self._by_any(states)
        return states & self.ends

    def _by_any(self, states: int) -> int:
        return (states & ~self.ends) << 1 | states & self.loops

    def _anywhere(self, states: int) -> int:
        """After any number of characters."""
        while True:
            more = states | (states & ~self.ends) << 1
            if more == states:
                return states
            states = more


class _Rules:
    """places: in their order."""

    def __init__(self, places: Sequence[RulePlace]) -> None:
        self._places = places
        # what no wild rule gets, however early it stands, comes before all of them
        self._built_in = (PRACTICE, f"{PRACTICE}:*")
        self._patterns = _Patterns([*self._built_in, *(place.pattern for place in places)])
        walled = [_spec(one) for one in places]
        self._walls = Walls(walled) if any(place.local_only for place in places) else None
        self._conditional = [at for at, place in enumerate(places) if place.conditions]
        self._by_itself = {place.id: place.by_itself for place in places}
        self._pairs, self._steps = _PAIRS, _Steps()

    def all(self) -> dict[int, Reach]:
        raised: dict[int, list[int]] = {}
        found = {}
        for at, place in enumerate(self._places):
            earlier = [self._places[one] for one in self._earlier(at)]
            for one in self._sharing(at):
                other = self._places[one]
                if self._by_itself[other.id] > self._by_itself[place.id]:
                    raised.setdefault(other.id, []).append(place.id)
            mine = self._wild(at) if is_wild(place.pattern) else self._exact(at)
            found[place.id] = (
                mine if mine.name is None else mine._replace(shared=self._shared(place, earlier))
            )
        return {
            number: one._replace(raised_over=tuple(raised.get(number, ()))) for number, one in found.items()
        }

    def _many(self, at: int) -> int:
        """Of the patterns, those before the rule at that place."""
        return at + len(self._built_in)

    def _seldom(self, at: int) -> list[int]:
        """The places of earlier rules that leave some requests of the one there, for their conditions do not hold of all."""
        mine = self._places[at].conditions
        return [
            one
            for one in self._conditional
            if one < at and not all_implied(self._places[one].conditions, mine)
        ]

    def _earlier(self, at: int) -> list[int]:
        """The places of earlier rules that share a name with the one there, and leave none of its requests for that name."""
        seldom = set(self._seldom(at))
        return [one for one in self._sharing(at) if one not in seldom]

    def _sharing(self, at: int) -> list[int]:
        ends = self._patterns.overlapping(self._places[at].pattern, self._many(at))
        built_in = len(self._built_in)
        found = [number - built_in for number in self._patterns.numbers(ends) if number >= built_in]
        name = self._places[at].pattern
        if is_wild(name) or not (name == PRACTICE or name.startswith(f"{PRACTICE}:")):
            return found
        return [one for one in found if not is_wild(self._places[one].pattern)]

    def _exact(self, at: int) -> Reach:
        name = self._places[at].pattern
        taker = next(iter(self._earlier(at)), None)
        return Reach(name) if taker is None else Reach(None, (self._places[taker].id,))

    def _wild(self, at: int) -> Reach:
        place, taker = self._places[at], None
        spare = 0 if self._walls is None else _SPARE
        try:
            those = self._patterns.first(self._many(at), map(self._many, self._seldom(at)))
            for name in self._patterns.missed(place.pattern, those, self._steps, spare):
                taker = self._wall(name, at)
                if taker is None:
                    return Reach(name)
        except TooLong:
            taker = self._alone(at)
            if taker is None:
                return Reach(place.pattern.replace("*", "").replace("?", self._patterns.fresh), known=False)
        return Reach(None, self._takers(at) if taker is None else (taker,))

    def _wall(self, name: str, at: int) -> int | None:
        """The rule that holds for the name in another spelling."""
        place = self._places[at]
        if self._walls is None or place.local_only:
            return None
        seldom = {self._places[one].id for one in self._seldom(at)}
        found = at_once(self._walls.over(name, _spec(place), seldom))
        return None if found is None else found[0].id

    def _takers(self, at: int) -> tuple[int, ...]:
        """The first rule that takes all of it, else as few as do so together."""
        alone = self._alone(at)
        if alone is not None:
            return (alone,)
        earlier = self._earlier(at)
        needed = list(earlier)
        for one in reversed(earlier):
            without = [other for other in needed if other != one]
            if self._cover(at, without):
                needed = without
        return tuple(self._places[one].id for one in needed)

    def _alone(self, at: int) -> int | None:
        covering = (one for one in self._earlier(at) if self._cover(at, [one]))
        found = next(covering, None)
        return None if found is None else self._places[found].id

    def _cover(self, at: int, those: Sequence[int]) -> bool:
        """With the names that are built in."""
        patterns = _Patterns([*self._built_in, *(self._places[one].pattern for one in those)])
        everything = patterns.first(len(patterns.patterns))
        names = patterns.missed(self._places[at].pattern, everything, self._steps)
        try:
            return next(names, None) is None
        except TooLong:
            return False

    def _shared(self, place: RulePlace, earlier: Sequence[RulePlace]) -> tuple[Shared, ...]:
        found = []
        for other in earlier:
            if not is_wild(other.pattern):
                continue  # a special case
            self._pairs -= 1
            if self._pairs < 0:
                break
            try:
                special = covers(place.pattern, other.pattern, self._steps)
            except TooLong:
                continue
            name = None if special else common(place.pattern, other.pattern)
            if name is not None:
                found.append(Shared(other.id, name))
        return tuple(found)


def _spec(place: RulePlace) -> MappingSpec:
    return MappingSpec(
        place.id, place.pattern, place.priority, (), place.local_only, conditions=place.conditions
    )
