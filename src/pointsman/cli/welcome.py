"""The one screen that `serve` prints when it answers: where it is, what it found, what to paste next.

Looks at what the control plane left of itself, the servers that were found on this computer included; asks nobody
anything. A process of its own, `python -m pointsman.cli.welcome`: what it needs goes with it.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import time
from pathlib import Path

from ..config import ADMIN_TOKEN_FILE, DEFAULT_HOST, default_data_dir, local_host
from ..process.listeners import EVERYWHERE
from ..process.standing import Standing, found

_LOOK_SECONDS = 2.5
"""How long the first look for model servers is waited for."""


def main() -> None:
    """Prints the screen. What cannot be looked at is left out."""
    parser = argparse.ArgumentParser(prog="python -m pointsman.cli.welcome", description=__doc__)
    parser.add_argument("program", help="how this program was called")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--host", required=True, help="what it listens on")
    parser.add_argument("--standing", type=Path, required=True, help="the folder of sockets")
    args = parser.parse_args()
    until = time.monotonic() + _LOOK_SECONDS
    while (standing := found(args.standing)).found is None and time.monotonic() < until:
        time.sleep(0.02)
    screen = welcome(args.data_dir, args.url, standing, args.program, everywhere=args.host in EVERYWHERE)
    print(screen, flush=True)


def welcome(data_dir: Path, url: str, standing: Standing, program: str, *, everywhere: bool = False) -> str:
    """The screen. program: how this one was called. everywhere: it listens on all of this computer's addresses."""
    command, option = _command(program), _option(data_dir)
    backends = [*(key for key, _ in standing.backends), "local/practice (built in)"]
    lines = [
        f"Pointsman answers at {url}" + (", and at this computer's other addresses" if everywhere else ""),
        *([] if url.startswith(_UNIX) else [f"  pages        {url}/ui (signed in: {command} ui{option})"]),
        f"  admin token  {data_dir / ADMIN_TOKEN_FILE}",
        f"  backends     {', '.join(backends)}",
    ]
    for key, title, base, problem in standing.found or ():
        name = key.partition("/")[2]
        keep = f"{command} local adopt {name}{option}"
        told = f"not used, {problem}; use it: {keep}" if problem else f"its models answer; keep it: {keep}"
        lines.append(f"  found        {title} at {base} ({key}): {told}")
    lines += [f"  degraded     {problem}" for problem in standing.problems]
    key = " -H 'authorization: Bearer YOUR-CLIENT-KEY'" if standing.keys_required else ""
    needed = " --key {}" if standing.keys_required else ""
    programs = _PROGRAMS.format(
        command=command, option=option, codex=needed.format("codex"), claude=needed.format("claude")
    )
    text = _TO_PASTE.format(
        url=_for_curl(url), command=command, option=option, key=key, here=local_host() or DEFAULT_HOST,
        programs="" if url.startswith(_UNIX) else programs,
    )  # fmt: skip
    return "\n".join([*lines, "", text])


_TO_PASTE = """\
Try it with the practice model, which needs no backend:
  curl {url}/v1/chat/completions -H 'content-type: application/json'{key} \\
    -d '{{"model": "practice", "messages": [{{"role": "user", "content": "Hello"}}]}}'
  curl {url}/v1/messages -H 'content-type: application/json'{key} \\
    -d '{{"model": "practice", "max_tokens": 100, "messages": [{{"role": "user", "content": "Hello"}}]}}'
  curl {url}/v1/responses -H 'content-type: application/json'{key} \\
    -d '{{"model": "practice", "input": "Hello"}}'
Add a local server and use it:
  {command} local add box --url http://{here}:8080{option}
  {command} mapping add 'my-model' --to local/box{option}
Add a cloud key (it is asked for) and a rule with a fallback:
  {command} credential set openai{option}
  {command} mapping add 'gpt-*' --to openai --fallback local/box=my-model{option}
{programs}Stop with Ctrl-C. More: {command} --help"""
_PROGRAMS = """\
Point a program here, for always (--write; --undo puts it back) or for this once:
  {command} connect codex{codex}{option}
  {command} launch claude{claude}{option}
"""


_UNIX = "unix://"


def _for_curl(url: str) -> str:
    """How curl reaches it; any client's host is `localhost` there."""
    if not url.startswith(_UNIX):
        return url
    return f"--unix-socket {shlex.quote(url.removeprefix(_UNIX))} http://localhost"


def _command(program: str) -> str:
    """How it is called from here: after `make run` it is not on the PATH."""
    return "pointsman" if shutil.which("pointsman") else shlex.quote(program)


def _option(data_dir: Path) -> str:
    """What a pasted command needs to mean this gateway."""
    return "" if data_dir == default_data_dir() else f" --data-dir {shlex.quote(str(data_dir))}"


if __name__ == "__main__":
    main()
