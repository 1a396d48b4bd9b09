"""The one screen that `serve` prints when it answers: where it is, what it found, what to paste next.

Looks at what the control plane left of itself and at the usual ports of local servers on this computer, in a container
also on the one it runs on (POINTSMAN_LOCAL_HOST); sends nothing elsewhere and enables nothing by itself. A process of its
own, `python -m pointsman.cli.welcome`: what it needs goes with it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..config import ADMIN_TOKEN_FILE, DEFAULT_HOST, default_data_dir, local_host
from ..process.standing import Standing, found

_LOOK_SECONDS = 0.3
_USUAL_PORTS = {
    11434: "ollama",
    1234: "lmstudio",
    8080: "llama",
    8000: "vllm",
    1337: "jan",
    5001: "kobold",
    30000: "sglang",
}
"""Where local servers are by habit (docs/protocols/backends.md#usual-ports). The name is only what
we suggest to call it."""


def main() -> None:
    """Prints the screen. What cannot be looked at is left out."""
    parser = argparse.ArgumentParser(prog="python -m pointsman.cli.welcome", description=__doc__)
    parser.add_argument("program", help="how this program was called")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--standing", type=Path, required=True, help="the folder of sockets")
    args = parser.parse_args()
    screen = welcome(args.data_dir, args.url, found(args.standing), args.program)
    print(screen, flush=True)


def welcome(data_dir: Path, url: str, standing: Standing, program: str) -> str:
    """The screen. program: how this one was called."""
    known = {base_url for _, base_url in standing.backends}
    command, option = _command(program), _option(data_dir)
    backends = [*(key for key, _ in standing.backends), "local/practice (built in)"]
    lines = [
        f"Pointsman answers at {url}",
        *([] if url.startswith(_UNIX) else [f"  page         {url}/ui"]),
        f"  admin token  {data_dir / ADMIN_TOKEN_FILE}",
        f"  backends     {', '.join(backends)}",
    ]
    for name, base in _look_around():
        if base not in known and base != url:
            lines.append(f"  found        {base}; use it: {command} local add {name} --url {base}{option}")
    lines += [f"  degraded     {problem}" for problem in standing.problems]
    key = " -H 'authorization: Bearer YOUR-CLIENT-KEY'" if standing.keys_required else ""
    text = _TO_PASTE.format(
        url=_for_curl(url), command=command, option=option, key=key, here=local_host() or DEFAULT_HOST
    )
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
Stop with Ctrl-C. More: {command} --help"""


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


def _look_around() -> list[tuple[str, str]]:
    """(name, base URL) of servers that list models, on this computer and on the one that this container runs on; all asked
    at once."""
    places = [(host, port) for host in (DEFAULT_HOST, local_host()) if host for port in _USUAL_PORTS]
    with ThreadPoolExecutor(len(places)) as pool:
        answers = list(pool.map(_lists_models, places))
    return [
        (_USUAL_PORTS[port], f"http://{host}:{port}")
        for (host, port), yes in zip(places, answers, strict=True)
        if yes
    ]


def _lists_models(place: tuple[str, int]) -> bool:
    connection = http.client.HTTPConnection(*place, timeout=_LOOK_SECONDS)
    try:
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        return answer.status == 200 and isinstance(json.loads(answer.read(1_000_000)).get("data"), list)
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
