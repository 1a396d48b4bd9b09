"""Which pages there are, in their order, and by which key each opens. A page without a module is not in it."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """key: opens it after `g`. tab: an icon's name where it is in the bar of a phone."""

    path: str
    title: str
    key: str
    tab: str = ""


MENU = (
    Entry("/ui", "Home", "h", "home"),
    Entry("/ui/requests", "Requests", "r", "list"),
    Entry("/ui/mappings", "Mappings", "m", "map"),
    Entry("/ui/backends", "Backends", "b", "box"),
    Entry("/ui/models", "Models", "o"),
    Entry("/ui/keys", "Client keys", "k"),
    Entry("/ui/usage", "Usage", "u"),
    Entry("/ui/connect", "Connect", "c"),
    Entry("/ui/playground", "Playground", "p"),
    Entry("/ui/settings", "Settings", "s"),
)
