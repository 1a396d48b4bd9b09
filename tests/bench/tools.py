"""Programs of the system that benchmarks and tests use: found, installed where that needs no question, or asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .machine import BenchError, say

_SERVERS = Path("/usr/lib/postgresql")
_PACKAGES = {"initdb": "postgresql", "ip": "iproute2", "nft": "nftables"}
"""Debian's, of a tool that is not called as its package is."""


def find(tool: str) -> str | None:
    """Debian keeps PostgreSQL's servers beside each other, out of PATH."""
    servers = sorted(_SERVERS.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    path = [*map(str, servers), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which(tool, path=os.pathsep.join(path))


def require(*tools: str) -> dict[str, str]:
    """Paths of the tools; installs with apt-get where we are root, otherwise says what to install."""
    missing = [tool for tool in tools if find(tool) is None]
    if missing and os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        say(f"installing {' '.join(missing)} ...")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        packages = [_PACKAGES.get(tool, tool) for tool in missing]
        for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            subprocess.run([apt, *command], env=environment, check=False, timeout=300, **quiet)  # type: ignore[call-overload]
        missing = [tool for tool in tools if find(tool) is None]
    if missing:
        raise BenchError(
            f"missing: {', '.join(missing)}. Install with `sudo apt-get install {' '.join(missing)}` "
            f"(Debian, Ubuntu) or `sudo dnf install {' '.join(missing)}` (Fedora)."
        )
    return {tool: path for tool in tools if (path := find(tool))}


def version(nginx: str) -> str:
    done = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False)
    return done.stderr.strip().rpartition("/")[2]


if (
    __name__ == "__main__"
):  # for CI, before there is an environment: `python3 -m tests.bench.tools valgrind gcc`
    try:
        require(*sys.argv[1:])
    except BenchError as error:
        sys.exit(str(error))
