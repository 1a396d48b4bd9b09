"""A model server of a few lines, run by the warden as any engine: says 503 while it loads, then answers Chat with its name.

--port N, --name NAME, --load SECONDS, --linger SECONDS (before an answer), --die-in SECONDS.
"""

import argparse
import http.server
import json
import os
import threading
import time

from tests.vendor_bodies import chat

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--name", default="tiny")
parser.add_argument("--load", type=float, default=0.0)
parser.add_argument("--linger", type=float, default=0.0)
parser.add_argument("--die-in", type=float)
args = parser.parse_args()
begun = time.monotonic()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        pass

    def say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if time.monotonic() - begun < args.load:
            self.say(503, {"status": "loading"})
        elif self.path == "/health":
            self.say(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self.say(200, {"object": "list", "data": [{"id": args.name, "object": "model"}]})
        else:
            self.say(404, {"error": {"message": "Not Found"}})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        if self.path != "/v1/chat/completions":
            self.say(404, {"error": {"message": "Not Found"}})
            return
        time.sleep(args.linger)
        text = f"{args.name} {os.getpid()}"
        if asked.get("stream"):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(chat.stream(*chat.said(text, {})))
            self.close_connection = True
        else:
            self.say(200, chat.whole_of(text))


if args.die_in is not None:
    threading.Timer(args.die_in, lambda: os._exit(7)).start()
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
