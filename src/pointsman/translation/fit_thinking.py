"""How hard the model shall think, in what the target's generation understands
(docs/protocols/reasoning.md). See adapt.py.

Two families: targets that know an effort word at most, and those with a thinking object beside it.
Not here: thinking that comes back from a history (fit_history.py).
"""

from __future__ import annotations

from ..conversation.notes import Notes
from ..conversation.parts import Text, Thinking, ToolResult
from ..conversation.profile import Profile
from ..conversation.request import EFFORTS, Message, Request, Role, ThinkingMode
from .effort import BUDGETS, effort_of, nearest_effort, word_of
from .fit_tools import FORCED

_LEAST = 1024
"""Tokens of the smallest budget."""
_ANSWER = 1024
"""Tokens that a word for thinking leaves for the answer at least."""
_TOP_P_LEAST = 0.95
"""The least that thinking models take (docs/protocols/requests.md#sampling)."""


def fit_thinking(made: Request, profile: Profile, notes: Notes) -> None:
    """Changes effort, thinking, summary and what sampling cannot stand beside thinking. Raises
    PointsmanError 400."""
    if made.plain and (profile.thinking_field or not profile.summaries):
        return  # nothing was asked for, and nothing is unasked
    if not profile.thinking_field:
        _as_effort(made, profile, notes)
        return
    wish = _Wish(made, profile, notes)
    made.thinking, made.effort = wish.plan()
    made.summary = None
    mode = made.thinking
    if mode is None:
        return
    if wish.forced and mode.type == "enabled":
        notes.refuse("tool_choice", FORCED)
    if mode.type in ("enabled", "adaptive"):
        _beside_thinking(made, notes)


def _beside_thinking(made: Request, notes: Notes) -> None:
    """Models that think take the default temperature, and a top_p near it."""
    if made.temperature not in (None, 1):
        notes.drop("temperature", "the model takes only its default while it thinks")
        made.temperature = None
    if made.top_p is not None and made.top_p < _TOP_P_LEAST:
        notes.drop("top_p", f"the model takes {_TOP_P_LEAST} at least while it thinks")
        made.top_p = None
    if made.top_k is not None:
        notes.drop("top_k", "the model does not take it while it thinks")
        made.top_k = None


def _named(request: Request) -> str:
    """The field by which the client said it."""
    return "thinking" if request.thinking is not None else "effort"


# -- an effort word at most


def _as_effort(made: Request, profile: Profile, notes: Notes) -> None:
    effort, thinking = effort_of(made), made.thinking
    named = "effort" if made.effort is not None else "thinking"
    if thinking is not None and thinking.type == "between_tools" and effort is None:
        notes.drop("thinking", "the backend has no such way of thinking")
    if effort is not None and profile.reasoning == "none":
        if effort != "none":
            notes.drop(named, "the model does not think")
        effort = None
    elif profile.reasoning == "template":
        if effort not in (None, "none"):
            notes.change(named, "the model can only think or not")
    elif effort is not None:
        nearest = nearest_effort(effort, profile.efforts)
        if nearest is not None and nearest != effort:
            notes.change(named, f"the model knows {', '.join(profile.efforts)}")
        effort = nearest
    hidden = thinking is not None and thinking.display == "omitted"
    if not profile.summaries or profile.reasoning == "none" or effort == "none" or hidden:
        made.summary = None
    elif made.summary not in ("concise", "detailed"):
        made.plain = False
        made.summary = "auto"  # what reasoning there is will be shown, as the other protocols do
    made.effort, made.thinking = effort, None


# -- a thinking object

Plan = tuple[ThinkingMode | None, str | None]
"""(thinking, effort) to send; (None, None) leaves the model's default."""


class _Wish:
    """One request's wish for one target that has a thinking object."""

    def __init__(self, request: Request, profile: Profile, notes: Notes) -> None:
        self._request = request
        self._profile = profile
        self._notes = notes
        self._named = _named(request)
        choice = request.tool_choice
        self.forced = choice is not None and choice.mode in ("any", "tool")

    def plan(self) -> Plan:
        """What to send."""
        request, mode = self._request, self._profile.reasoning
        if request.effort is None and request.thinking is None and request.summary is None:
            return None, None
        if mode == "adaptive":
            return self._adaptive()
        if mode == "budget":
            return self._budget(), None
        if mode == "effort":
            return self._off(quiet=True), self._effort(request.effort)
        if self._wants_any():
            self._notes.drop(self._named, "the model does not reason, or not at command")
        return None, None

    def _wants_any(self) -> bool:
        thinking = self._request.thinking
        if thinking is not None:
            return thinking.type != "disabled"
        return self._request.effort not in (None, "none")

    def _is_off(self) -> bool:
        thinking = self._request.thinking
        return thinking.type == "disabled" if thinking is not None else self._request.effort == "none"

    def _off(self, quiet: bool = False) -> ThinkingMode | None:
        """`disabled` where allowed; models that always think are told the next best."""
        if not self._is_off():
            return None
        if self._profile.thinking_off:
            return ThinkingMode("disabled")
        if self._profile.between_tools and not quiet:
            self._notes.change(self._named, "the model cannot stop thinking, only think less")
            return ThinkingMode("between_tools")
        return None

    # the model decides, an effort guides it

    def _adaptive(self) -> Plan:
        request, profile, thinking = self._request, self._profile, self._request.thinking
        if self._is_off():
            off = self._off()
            if off is not None:
                # Where thinking is off, the other effort words still mean something.
                return off, self._effort(request.effort, "high")
            self._notes.change(self._named, "the model cannot stop thinking, only think less")
            return None, self._effort("low")
        effort = request.effort
        if thinking is not None and thinking.type == "between_tools" and profile.between_tools:
            return ThinkingMode("between_tools"), self._effort(effort, "high")
        if thinking is not None and thinking.type != "adaptive":
            self._notes.change("thinking", "the model decides itself how much it thinks")
            if effort is None and thinking.budget is not None:
                effort = word_of(thinking.budget)
        if self.forced and (thinking is None or profile.thinking_off):
            # "Thinking may not be enabled when tool_choice forces tool use": the effort alone is taken.
            self._notes.change(self._named, "the model cannot think freely where a tool is forced")
            return None, self._effort(effort)
        return ThinkingMode("adaptive", display=self._display(thinking)), self._effort(effort)

    def _display(self, thinking: ThinkingMode | None) -> str | None:
        if thinking is not None and thinking.display is not None:
            return thinking.display
        # A client that asks for reasoning is shown it; newer models leave it out by default.
        return "summarized" if self._profile.omits_thinking else None

    def _effort(self, effort: str | None, most: str = "max") -> str | None:
        """The word, or the nearest one below it that the model knows. most: without free
        thinking, "effort <= high"."""
        known = tuple(word for word in EFFORTS[: EFFORTS.index(most) + 1] if word in self._profile.efforts)
        if effort in (None, "none") or not known:
            return None
        assert effort is not None
        found = nearest_effort(effort, known)
        if found != effort:
            named = "effort" if self._request.effort is not None else self._named
            self._notes.change(named, f"the model knows {', '.join(known)}")
        return found

    # a number of tokens

    def _budget(self) -> ThinkingMode | None:
        if self._is_off():
            return self._off()
        thinking, effort = self._request.thinking, self._request.effort
        if thinking is None and effort is None:
            return None  # only `summary` was asked for: what there is will be shown
        if lacks_thinking(self._request.messages, self._profile.merge_turns):
            self._notes.drop(self._named, "the thinking of the turn that goes on has not come back with it")
            return None
        budget = self._fitting(self._wanted(thinking, effort))
        if budget < _LEAST:
            self._notes.drop(self._named, f"the answer's limit leaves less than {_LEAST} tokens for thinking")
            return None
        if thinking is not None and budget != thinking.budget:
            self._notes.change("thinking", "the model wants a budget that fits into max_tokens")
        shown = thinking.display if thinking is not None and self._profile.omits_thinking else None
        return ThinkingMode("enabled", budget, shown)

    def _limit(self) -> int:
        """Tokens of thinking and answer together."""
        asked, most = self._request.max_tokens, self._profile.max_tokens_limit
        limit = self._profile.max_tokens_default if asked is None else asked
        return limit if most is None else min(limit, most)

    def _fitting(self, wanted: int) -> int:
        """What is asked for, as long as an answer has room beside it. What the client said in tokens
        itself need only be below the limit, as the vendor has it."""
        thinking, limit = self._request.thinking, self._limit()
        if thinking is not None and thinking.budget == wanted and _LEAST <= wanted < limit:
            return wanted
        return min(max(wanted, _LEAST), limit - _ANSWER)

    def _wanted(self, thinking: ThinkingMode | None, effort: str | None) -> int:
        if thinking is not None and thinking.type == "enabled" and thinking.budget is not None:
            return thinking.budget
        if effort == "max":  # never less than the word below it
            return max(int(self._limit() * 0.9), *BUDGETS.values())
        return BUDGETS.get(effort or "high", BUDGETS["high"])


def lacks_thinking(messages: list[Message], merged: bool) -> bool:
    """Does the latest assistant turn, whose calls are just being answered, begin without
    thinking? With a thinking budget that is a 400 ("Expected `thinking` ..., but found
    `tool_use`"), as for a turn that it shall go on with itself: "pre-filling is not supported when
    thinking is enabled". merged: neighbours are one turn."""
    if messages and messages[-1].role is Role.ASSISTANT:
        return True
    for at in range(len(messages) - 1, 0, -1):
        if messages[at].role is Role.ASSISTANT or messages[at - 1].role is not Role.ASSISTANT:
            continue
        if not any(isinstance(part, ToolResult) for part in messages[at].parts):
            return False
        start = at - 1
        while merged and start > 0 and messages[start - 1].role is Role.ASSISTANT:
            start -= 1
        said = (part for message in messages[start:at] for part in message.parts)
        first = next((part for part in said if not (isinstance(part, Text) and not part.text.strip())), None)
        return not isinstance(first, Thinking)
    return False
