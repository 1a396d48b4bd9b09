"""What PostgreSQL and its library say of a failure, in our words; none of them quotes a value or a URL.

Not here: what is done about it (postgres.py).
"""

from __future__ import annotations

import psycopg

BUSY = frozenset({"40001", "40P01", "55P03", "57014"})
"""The connection is a good one: only this use of it came to nothing."""

_AWAY = "cannot be reached; start it, or look at the network between"
_OTHERS = "has no tables of Pointsman's, or not all of them; put a backup back, or name another database"
_AGAIN = "was busy with another change; try again"
_TROUBLE = {
    "08": _AWAY,
    "25006": "takes no changes here: this is a replica; name the primary, or promote it",
    "25P03": "has ended a change that took too long; try again",
    "28": "refuses the user or the password in its URL; put the right ones in",
    "3D": "has no database of that name; make it (createdb), or name another",
    "3F": _OTHERS,
    "40": _AGAIN,
    "42501": "does not let its user do that; make the user the owner of the database",
    "42P01": _OTHERS,
    "53100": "has no room left: its disk is full; free some space there",
    "53300": "takes no more connections: raise its max_connections, or run fewer gateways",
    "53": "is short of memory or of room; look at its log",
    "55P03": "is locked by another program for too long; see who in pg_stat_activity",
    "57014": "was too slow to answer; look at what else it does",
    "57": "is starting, stopping, or was told to end this connection; it is tried again",
    "58": "reports an error of its disk; look at its log",
    "XX": "reports that it is damaged; look at its log",
    "TLS": "shows no certificate that can be verified; see sslrootcert in docs/scale.md",
}
"""By SQLSTATE, whole or its class [PostgreSQL docs, Appendix A]."""
_SAID = (
    ("too many connections for", "53300"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
    ("permission denied for database", "42501"),
    ("not currently accepting connections", "57"),
    ("the database system is", "57"),
    ("authentication failed", "28"),
    ("no password supplied", "28"),
    ("server did not complete authentication", "28"),
    ("no pg_hba.conf entry", "28"),
    ('FATAL:  role "', "28"),
    ('FATAL:  database "', "3D"),
    ("session is read-only", "25006"),
    ("session is not read-only", "25006"),
    ("server is in hot standby mode", "25006"),
    # cut while they greeted each other: as a server that stood still, and was given up
    ("unexpected eof", "08"),
    ("SSL SYSCALL error", "08"),
    ("certificate", "TLS"),
    ("does not support SSL", "TLS"),
    ("SSL error", "TLS"),
)
"""What a refused connection says; it has no SQLSTATE. A server that speaks another language than English is taken for
one that is away."""


def trouble_of(error: psycopg.Error) -> tuple[str, str] | None:
    """(SQLSTATE or what stands for it, our words). None: a mistake of our own."""
    code = error.sqlstate
    if code is None:
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return None
        said = str(error)
        code = next((code for words, code in _SAID if words in said), "08")
    words = _TROUBLE.get(code) or _TROUBLE.get(code[:2])
    return None if words is None else (code, words)


def data_words(error: psycopg.Error) -> str | None:
    """Where it is the value that cannot be stored."""
    if isinstance(error, psycopg.DataError):
        if "NUL" in str(error):
            return "A text with a NUL character in it cannot be stored; take it out."
        return "A value is too large for the database; write a smaller one."
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return "A text is too long for the database; write a shorter one."
    return None
