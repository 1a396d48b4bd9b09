"""Where an engine listens by the environment's variables. Not here: whether it may be asked there (loopback only)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from .engine import Place

_HERE = "127.0.0.1"
_EVERYWHERE = ("", "0.0.0.0", "::", "[::]", "*")
"""A server that listens on all addresses is asked on this one."""


def one_variable(environment: Mapping[str, str], name: str, port: int) -> list[Place]:
    """An address in one variable, as OLLAMA_HOST and LOCALAI_ADDRESS have it: `:11435`, `0.0.0.0`, `host:port`,
    `http://host`, `[::1]:8080`, or only a port; port: where none is said."""
    said = environment.get(name, "").strip().strip("\"'")
    if not said:
        return []
    if said.isdigit():
        said = f":{said}"
    scheme = "" if "://" not in said else said.partition("://")[0].lower()
    try:
        parts = urlsplit(said if scheme else f"//{said}")
        found = parts.port
    except ValueError:
        return []
    usual = {"http": 80, "https": 443}.get(scheme, port)
    return _place(parts.hostname or "", usual if found is None else found)


def two_variables(environment: Mapping[str, str], host: str, port: str, usual: int) -> list[Place]:
    """A variable for the host and one for the port, as LLAMA_ARG_HOST and LLAMA_ARG_PORT; usual: the port where none is
    said."""
    if not environment.get(host) and not environment.get(port):
        return []
    said = environment.get(port, "").strip() or str(usual)
    return _place(environment.get(host, "").strip(), int(said)) if said.isdecimal() and len(said) < 6 else []


def _place(host: str, port: int) -> list[Place]:
    if not 0 < port < 65536 or "/" in host:
        return []
    return [(_HERE if host in _EVERYWHERE else host, port)]
