"""Sizes, sampling, stop sequences and account fields made to fit (docs/protocols/requests.md).
See adapt.py."""

from __future__ import annotations

import hashlib

from ..conversation.notes import Notes
from ..conversation.profile import Profile
from ..conversation.request import Request
from .adaptation import Adaptation

_PENALTIES = ("seed", "frequency_penalty", "presence_penalty", "logit_bias")
_HARMLESS: tuple[object, ...] = (None, 0, {})
"""Penalties that change nothing; a seed of 0 is a seed."""


def fit_values(made: Request, profile: Profile, notes: Notes) -> None:
    """Changes `made`. Raises PointsmanError 400 under strict."""
    _sizes(made, profile, notes)
    _sampling(made, profile, notes)
    _account(made, profile, notes)


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
    if profile.sampling in ("default_only", "none"):
        _only_defaults(made, notes)
    else:
        both = made.temperature is not None and made.top_p is not None
        if made.temperature is not None and made.temperature > profile.temperature_max:
            notes.change("temperature", f"the backend takes at most {profile.temperature_max}")
            made.temperature = profile.temperature_max
        if both and profile.sampling == "one_of":
            notes.drop("top_p", "the model takes temperature or top_p, not both")
            made.top_p = None
    if made.top_k is not None and not profile.top_k:
        notes.drop("top_k", "the backend does not take it")
        made.top_k = None
    if not profile.penalties:
        for name in _PENALTIES:
            value = getattr(made, name)
            if value not in _HARMLESS or (name == "seed" and value is not None):
                notes.drop(name, "the backend does not take it")
            setattr(made, name, None)


def _only_defaults(made: Request, notes: Notes) -> None:
    """For a model that takes only the defaults; one that was asked for goes silently."""
    for name in ("temperature", "top_p"):
        if getattr(made, name) not in (None, 1):
            notes.drop(name, "the model takes only its default")
        setattr(made, name, None)
    if made.top_k is not None:
        notes.drop("top_k", "the model does not take it")
        made.top_k = None


def _account(made: Request, profile: Profile, notes: Notes) -> None:
    if made.user is not None and profile.user_max is not None and len(made.user) > profile.user_max:
        made.user = hashlib.sha256(made.user.encode("utf-8", "surrogatepass")).hexdigest()
    if made.cache_key is not None and not profile.safety_id:
        if notes.path("cache_key") in made.raw:  # else it came from a header that every request carries
            notes.drop("cache_key", "the backend does not know it")
        made.cache_key = None
    if made.service_tier is not None and made.service_tier not in profile.service_tiers:
        if made.service_tier != "auto":
            notes.drop("service_tier", "the backend does not know this tier")
        made.service_tier = None
    if made.metadata is not None and not profile.metadata:
        if made.metadata:
            notes.drop("metadata", "the backend does not keep it")
        made.metadata = None
    if made.verbosity is not None and not profile.verbosity:
        if made.verbosity != "medium":
            notes.drop("verbosity", "the backend does not take it")
        made.verbosity = None


def fit_stops(made: Request, profile: Profile, notes: Notes, adaptation: Adaptation) -> None:
    """More than the target takes are the gateway's to enforce: all of them, so that which one
    matched is known."""
    told = tuple(one for one in made.stop if one)
    if len(told) > profile.stop:
        adaptation.stop, made.stop = told, ()
        return
    if not profile.blank_stops and any(not one.strip() for one in told):
        notes.drop("stop", "stop sequences of white space alone are refused by the vendor")
        told = tuple(one for one in told if one.strip())
    if told != made.stop:
        made.stop = told
