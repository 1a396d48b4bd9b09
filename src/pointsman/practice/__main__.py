"""`python -m pointsman.practice --port 8000`: the practice model alone, to try clients against."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from .server import PracticeServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pointsman.practice", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--path", help="a Unix socket instead of a port")
    parser.add_argument("--pace", type=int, help="milliseconds between streamed events")
    options = parser.parse_args()
    pace = None if options.pace is None else options.pace / 1000
    asyncio.run(_serve(PracticeServer(options.path, options.host, options.port, pace=pace)))


async def _serve(server: PracticeServer) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    sys.stdout.write(f"unix:{server.path}\n" if server.path else f"http://{server.host}:{server.port}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    main()
