"""nginx before the gateways, by the configuration that docs/scale.md gives its readers, word for word. Not here: who asks
it (load.py)."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.tools import find
from tests.children import child

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
_BLOCK = re.compile(r"^```nginx$(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = "{name}.example"
_START_SECONDS = 10.0
_AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    add_header x-answered-by $upstream_addr always;
    {block}
}}
"""


def documented() -> str:
    """What stands in an http block."""
    found = _BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, f"{PAGE} shows no configuration of nginx"
    return found[1]


@contextmanager
def balancer(folder: Path, nodes: Mapping[str, str]) -> Iterator[None]:
    """Started where this thread is. nodes: addresses by name."""
    block = documented()
    for name, address in nodes.items():
        assert _NAME.format(name=name) in block, f"{name} is not in the documented configuration"
        block = block.replace(_NAME.format(name=name), address)
    folder.mkdir()
    written = folder / "nginx.conf"
    written.write_text(_AROUND.format(folder=folder, block=block))
    nginx = find("nginx")
    assert nginx is not None
    with child(
        [nginx, "-c", written, "-p", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + _START_SECONDS
        while not (folder / "nginx.pid").exists():
            said = folder / "error.log"
            assert process.poll() is None, said.read_text() if said.exists() else "nginx did not start"
            assert time.monotonic() < until, "nginx did not start in time"
            time.sleep(0.02)
        try:
            yield
        finally:
            process.terminate()  # a killed one would leave its worker behind
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
