"""Sizes, sampling, stop sequences and account fields made to fit (docs/protocols/requests.md).
See adapt.py."""

from __future__ import annotations

import hashlib
from operator import attrgetter

from ..conversation.notes import Notes
from ..conversation.profile import Profile
from ..conversation.request import Request
from .adaptation import Adaptation

_HARMLESS: dict[str, object] = {
    "seed": None, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {},
}  # fmt: skip
"""What of penalties and their like changes nothing; a seed of 0 is a seed."""


def fit_values(made: Request, profile: Profile, notes: Notes) -> None:
    """Changes `made`. Raises PointsmanError 400 under strict."""
    _sizes(made, profile, notes)
    if made.temperature is not None or made.top_p is not None:
        _sampling(made, profile, notes)
    if made.plain:
        return
    if _rare(made) != _NOT_RARE:
        _seldom(made, profile, notes)
    if _of_account(made) != _NO_ACCOUNT:
        _account(made, profile, notes)


_DEFAULTS = ("default_only", "none")
"""Profile.sampling of models that take only the defaults; one that was asked for goes silently."""
_rare = attrgetter("top_k", *_HARMLESS)
_NOT_RARE = (None,) * 5
_of_account = attrgetter("user", "cache_key", "service_tier", "metadata", "verbosity")
_NO_ACCOUNT = (None,) * 5


def _sizes(made: Request, profile: Profile, notes: Notes) -> None:
    asked, most = made.max_tokens, profile.max_tokens_limit
    if asked is None:
        if profile.max_tokens_required:
            default = profile.max_tokens_default
            made.max_tokens = default if most is None else min(default, most)
    elif most is not None and asked > most:
        notes.change("max_tokens", f"the model gives at most {most} tokens")
        made.max_tokens = most
    elif asked < profile.min_output_tokens:
        notes.change("max_tokens", f"the backend refuses less than {profile.min_output_tokens}")
        made.max_tokens = profile.min_output_tokens


def _sampling(made: Request, profile: Profile, notes: Notes) -> None:
    if profile.sampling in _DEFAULTS:
        for name in ("temperature", "top_p"):
            _leave_out(made, name, 1, notes, "the model takes only its default")
        return
    both = made.temperature is not None and made.top_p is not None
    if made.temperature is not None and made.temperature > profile.temperature_max:
        notes.change("temperature", f"the backend takes at most {profile.temperature_max}")
        made.temperature = profile.temperature_max
    if both and profile.sampling == "one_of":
        notes.drop("top_p", "the model takes temperature or top_p, not both")
        made.top_p = None


def _seldom(made: Request, profile: Profile, notes: Notes) -> None:
    if profile.sampling in _DEFAULTS:
        _leave_out(made, "top_k", None, notes, "the model does not take it")
    if not profile.top_k:
        _leave_out(made, "top_k", None, notes, "the backend does not take it")
    if not profile.penalties:
        for name in _HARMLESS:
            _leave_out(made, name, _HARMLESS[name], notes, "the backend does not take it")


def _account(made: Request, profile: Profile, notes: Notes) -> None:
    if made.user is not None and profile.user_max is not None and len(made.user) > profile.user_max:
        made.user = hashlib.sha256(made.user.encode("utf-8", "surrogatepass")).hexdigest()
    if made.cache_key is not None and not profile.safety_id:
        if notes.path("cache_key") in made.raw:  # else it came from a header that every request carries
            notes.drop("cache_key", "the backend does not know it")
        made.cache_key = None
    if made.service_tier not in profile.service_tiers:
        _leave_out(made, "service_tier", "auto", notes, "the backend does not know this tier")
    if not profile.metadata:
        _leave_out(made, "metadata", {}, notes, "the backend does not keep it")
    if not profile.verbosity:
        _leave_out(made, "verbosity", "medium", notes, "the backend does not take it")


def _leave_out(made: Request, name: str, harmless: object, notes: Notes, why: str) -> None:
    """Told unless it was `harmless`, which changes nothing."""
    if getattr(made, name) not in (None, harmless):
        notes.drop(name, why)
    setattr(made, name, None)


def fit_stops(made: Request, profile: Profile, notes: Notes, adaptation: Adaptation) -> None:
    """More than the target takes are the gateway's to enforce: all of them, so that which one
    matched is known."""
    if not made.stop:
        return
    told = tuple(one for one in made.stop if one)
    if len(told) > profile.stop:
        adaptation.stop, made.stop = told, ()
        return
    if not profile.blank_stops and any(not one.strip() for one in told):
        notes.drop("stop", "stop sequences of white space alone are refused by the vendor")
        told = tuple(one for one in told if one.strip())
    if told != made.stop:
        made.stop = told
