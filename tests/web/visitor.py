"""Who is signed in to the pages without a browser: the same forms, the same cookie, byte for byte in sight."""

from __future__ import annotations

from collections.abc import Sequence
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.e2e.web import Answer, Connection

Fields = dict[str, str] | Sequence[tuple[str, str]]


class Visitor:
    """url: a gateway's, without a slash at its end. token: its admin token; "" for who is not signed in.

    A POST says where it comes from, as a browser does; headers given by name (`_` for `-`) go before what is said here,
    and an empty one is left out. No redirect is followed unless `follow` is asked for.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.cookies: dict[str, str] = {}
        self._connection = Connection(url)
        if token:
            answer = self.post("/ui/sign-in", {"word": token})
            assert answer.status == 303, (answer.status, answer.body[-600:])

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, None, **headers)

    def post(self, path: str, fields: Fields, **headers: str) -> Answer:
        """A form. fields: a mapping, or pairs where a name repeats."""
        said = {
            "content_type": "application/x-www-form-urlencoded",
            "origin": self.url,
            "sec_fetch_site": "same-origin",
        }
        return self.send("POST", path, urlencode(fields).encode(), **(said | headers))

    def follow(self, path: str, fields: Fields, **headers: str) -> Answer:
        """A form, and the page that its answer goes on to."""
        answer = self.post(path, fields, **headers)
        assert answer.status == 303, (answer.status, answer.body[-600:].decode("utf-8", "replace"))
        return self.get(answer.header("location") or "")

    def text(self, path: str, **headers: str) -> str:
        """A page that is there."""
        answer = self.get(path, **headers)
        assert answer.status == 200, (path, answer.status, answer.body[-600:].decode("utf-8", "replace"))
        return answer.body.decode()

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.cookies and "cookie" not in sent:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._connection.request(method, path, body, sent)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self._keep(value)
        return answer

    def close(self) -> None:
        self._connection.close()

    def _keep(self, header: str) -> None:
        for name, morsel in SimpleCookie(header).items():
            if morsel["max-age"] == "0" or not morsel.value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
