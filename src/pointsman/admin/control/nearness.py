"""May who asks see and change files of this computer's user? Only where it asks from this computer, by its own address, and
the files are the user's own: not a container's, not a service's without a home. Pure but for a look at the system.

A tunnel (`ssh -L`) ends on this computer, and counts as it: who can open one can read the files, too. Not here: who may ask
at all (guard.py), what the data plane takes for near (gateway/own/control_proxy.py).
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ...wire.authority import host_name, is_loopback_host
from ...wire.http1 import NEAR

_NEAR = NEAR.decode()
_CONTAINERS = ("/.dockerenv", "/run/.containerenv")


def why_far(headers: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Why no file may be seen or changed, and what to do; None when it may. headers: of the request, lower-case names; of a
    page its Host is the one that its session was made at. environ: the gateway's."""
    host = host_name(headers.get("host", "")) or ""
    if headers.get(_NEAR) != "1" or not (is_loopback_host(host) or host.endswith(".localhost")):
        return (
            "A program's settings file is shown and changed only to who sits at the computer that the gateway runs on, and"
            " opens this page there by its own address, such as http://127.0.0.1:4480/ui. In a shell there the command"
            " does the same."
        )
    if _is_a_containers():
        return (
            "This gateway runs in a container, which does not see your programs' files. Run the command where the program"
            " is."
        )
    home = Path(os.path.expanduser("~"))
    if not _is_own(home):
        return (
            f"This gateway runs as the user {user()}, whose home folder ({home}) it may not write: as a service that is kept"
            " out of it, or that has none. Run the command as the user of the program."
        )
    variable = environ.get("SUDO_USER")
    if variable and variable != user():
        return (
            f"This gateway was started by {variable} with sudo and runs as {user()}, whose files are not {variable}'s."
            f" Run the command as {variable}."
        )
    return None


def user() -> str:
    """The name of the user as whom this gateway runs; the number where there is none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_own(home: Path) -> bool:
    try:
        return home.stat().st_uid == os.geteuid() and os.access(home, os.R_OK | os.W_OK | os.X_OK)
    except OSError:
        return False


def _is_a_containers() -> bool:
    """Is the gateway what its container is for? Where somebody works in one the programs are in it, too."""
    if not any(map(os.path.exists, _CONTAINERS)) and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return False
    supervisor = os.getppid()
    with suppress(OSError, IndexError, ValueError):
        stat = Path(f"/proc/{supervisor}/stat").read_text()
        return supervisor == 1 or int(stat.rpartition(")")[2].split()[1]) == 1
    return True
