"""Whose certificates are believed: the system's authorities, or those of a backend's own file in their place.

`SSL_CERT_FILE` and `SSL_CERT_DIR` say where the system's are, as everywhere OpenSSL is used. A file is read again when it
has changed. Not here: connecting (egress.py).
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

from .failures import ConnectFailed
from .resumed import resuming

_Stamp = tuple[int, int]

_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_*: no issuer, self-signed, self-signed in the chain, no local issuer, a leaf that is alone."""


def ca_problem(path: str) -> str | None:
    """Why this file cannot say whom to trust, None when it can."""
    if not Path(path).is_absolute():
        return f"the CA file {path} is not named by its whole path, from / on"
    try:
        _context_of(path)
    except OSError as error:
        return f"the CA file {path} {_why(error)}"
    return None


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if not error.errno:
        return str(error)
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _context_of(path: str) -> ssl.SSLContext:
    """Trusts what is in the file and nothing else. A certificate of the server itself will do, and an authority whose
    own form is not of the strictest: whoever names a file means what is in it. Raises OSError, ssl.SSLError among them."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # to read a pipe or a device may never end
        raise OSError("is no regular file")
    with open(path, "rb"):  # OpenSSL does not say why it cannot
        pass
    context = ssl.create_default_context(cafile=path)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class Trust:
    """TLS contexts, made once."""

    def __init__(self) -> None:
        self._contexts: dict[str | None, tuple[_Stamp, ssl.SSLContext]] = {}

    def context(self, ca_file: str | None) -> ssl.SSLContext:
        """ca_file: a backend's own, None = the system's authorities. Raises ConnectFailed naming the file."""
        named = ca_file or os.environ.get("SSL_CERT_FILE") or None
        try:
            stamp = _stamp(named)
            known = self._contexts.get(ca_file)
            if known is not None and known[0] == stamp:
                return known[1]
            context = _context_of(ca_file) if ca_file is not None else _system(named)
        except OSError as error:
            what = f"the CA file {ca_file}" if ca_file is not None else f"the file of SSL_CERT_FILE, {named},"
            raise ConnectFailed("tls", f"{what} {_why(error)}") from None
        context.set_alpn_protocols(["http/1.1"])
        context.sslobject_class = resuming()
        self._contexts[ca_file] = stamp, context
        return context


def _stamp(path: str | None) -> _Stamp:
    if path is None:
        return 0, 0
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


def _system(named: str | None) -> ssl.SSLContext:
    """named: SSL_CERT_FILE, which OpenSSL passes over without a word where it holds nothing."""
    if named is not None:
        _context_of(named)
    return ssl.create_default_context()


def refusal(error: ssl.SSLCertVerificationError, host: str, ca_command: str, through: str = "") -> str:
    """What is wrong with a host's certificate, and where the fix is one: ca_command, what names a CA file. through: the
    proxy on the way, which may have put its own there."""
    text = f"{host}: its certificate was refused: {error.verify_message}"
    if error.verify_code in _UNKNOWN_ISSUER:
        whose = (
            f"{through} opens TLS, or a CA of your own signed it" if through else "a CA of your own signed it"
        )
        text += f"; if {whose}, name that CA's certificate: {ca_command} --ca-file PATH"
    return text
