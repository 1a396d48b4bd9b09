"""How hard the model shall think, in the words of the target's generation (PROTOCOLS.md 7.1, 7.2). Not here: thinking that
comes back from a history (content_out.py)."""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.profile import Profile
from ...conversation.request import Request, ThinkingMode

_ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
_LEAST = 1024
"""Tokens of the smallest budget."""
_WORDS = ((2048, "low"), (8192, "medium"), (24576, "high"))
"""Budget up to -> effort; above: xhigh (PROTOCOLS.md 7.3)."""

Plan = tuple[dict[str, Any] | None, str | None]
"""(`thinking`, `output_config.effort`)."""


class Reasoning:
    """One request's wish for one target. forced: a tool must be called. lacking: the history has no thinking where a
    budget would demand it."""

    __slots__ = ("_forced", "_lacking", "_limit", "_notes", "_profile", "_request")

    def __init__(
        self, request: Request, profile: Profile, notes: Notes, limit: int, forced: bool, lacking: bool
    ) -> None:
        self._request = request
        self._profile = profile
        self._notes = notes
        self._limit = limit
        self._forced = forced
        self._lacking = lacking

    def plan(self) -> Plan:
        """What to send; (None, None) leaves the model's default."""
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
            self._notes.drop(self._named(), "the model does not reason, or not at command")
        return None, None

    def _wants_any(self) -> bool:
        thinking = self._request.thinking
        if thinking is not None:
            return thinking.type != "disabled"
        return self._request.effort not in (None, "none")

    def _named(self) -> str:
        return "thinking" if self._request.thinking is not None else "effort"

    def _is_off(self) -> bool:
        thinking = self._request.thinking
        return thinking.type == "disabled" if thinking is not None else self._request.effort == "none"

    def _off(self, quiet: bool = False) -> dict[str, Any] | None:
        """`disabled` where allowed; models that always think are told the next best."""
        if not self._is_off():
            return None
        if self._profile.thinking_off:
            return {"type": "disabled"}
        if self._profile.between_tools and not quiet:
            self._notes.change(self._named(), "the model cannot stop thinking, only think less")
            return {"type": "between_tools"}
        return None

    # -- adaptive: the model decides, an effort guides it

    def _adaptive(self) -> Plan:
        request, profile, thinking = self._request, self._profile, self._request.thinking
        if self._is_off():
            off = self._off()
            if off is not None:
                # Where thinking is off, the other effort words still mean something.
                return off, self._effort(request.effort, "high")
            self._notes.change(self._named(), "the model cannot stop thinking, only think less")
            return None, self._effort("low")
        effort = request.effort
        if thinking is not None and thinking.type == "between_tools" and profile.between_tools:
            return {"type": "between_tools"}, self._effort(effort, "high")
        if thinking is not None and thinking.type != "adaptive":
            self._notes.change("thinking", "the model decides itself how much it thinks")
            if effort is None and thinking.budget is not None:
                effort = _word(thinking.budget)
        if self._forced and (thinking is None or profile.thinking_off):
            # "Thinking may not be enabled when tool_choice forces tool use": the effort alone is taken.
            self._notes.change(self._named(), "the model cannot think freely where a tool is forced")
            return None, self._effort(effort)
        shown = {"type": "adaptive"}
        display = self._display(thinking)
        if display is not None:
            shown["display"] = display
        return shown, self._effort(effort)

    def _display(self, thinking: ThinkingMode | None) -> str | None:
        if thinking is not None and thinking.display is not None:
            return thinking.display
        # A client that asks for reasoning is shown it; newer models leave it out by default.
        return "summarized" if self._profile.omits_thinking else None

    def _effort(self, effort: str | None, most: str = "max") -> str | None:
        """The word, or the nearest one below it that the model knows. most: without free thinking, "effort <= high"."""
        known = [word for word in _ORDER[: _ORDER.index(most) + 1] if word in self._profile.efforts]
        if effort in (None, "none") or not known:
            return None
        if effort in known:
            return effort
        wanted = _ORDER.index(effort) if effort in _ORDER else _ORDER.index("high")
        below = [word for word in known if _ORDER.index(word) < wanted]
        found = below[-1] if below else known[0]
        self._notes.change("effort", f"the model knows {', '.join(known)}")
        return found

    # -- budget: a number of tokens

    def _budget(self) -> dict[str, Any] | None:
        if self._is_off():
            return self._off()
        thinking, effort = self._request.thinking, self._request.effort
        if thinking is None and effort is None:
            return None  # only `summary` was asked for: what there is will be shown
        named = self._named()
        if self._lacking:
            self._notes.drop(named, "the thinking of the turn that goes on has not come back with it")
            return None
        if thinking is not None and thinking.type == "enabled" and thinking.budget is not None:
            wanted = thinking.budget
        else:
            wanted = int(self._limit * 0.9) if effort == "max" else _BUDGETS.get(effort or "high", 16384)
        budget = min(max(wanted, _LEAST), self._limit - 1)
        if budget < _LEAST:
            self._notes.drop(named, f"the answer's limit leaves less than {_LEAST} tokens for thinking")
            return None
        if thinking is not None and budget != thinking.budget:
            self._notes.change("thinking", "the model wants a budget that fits into max_tokens")
        shown: dict[str, Any] = {"type": "enabled", "budget_tokens": budget}
        if thinking is not None and thinking.display is not None and self._profile.omits_thinking:
            shown["display"] = thinking.display
        return shown


def _word(budget: int) -> str:
    return next((word for most, word in _WORDS if budget <= most), "xhigh")
