"""Schemathesis over the whole admin API: a gateway serves on a fresh data folder, in a network namespace that has nothing
but this machine (routes that test backends connect out), and its own OpenAPI document says what is sent: valid and
invalid data, other methods, no token, and what follows from what was made. Run as a program it is inside of that
namespace already. Not here: what is to be true of the answers (test_admin_api.py, and schemathesis' own checks).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pointsman.providers.urls import engine_url
from pointsman.warden.recipe import write_recipe
from tests.e2e.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 3600
"""How long one run may take at most."""

CONFIG = """
continue-on-failure = true
request-timeout = 30
# What a schema cannot say (a name that is taken, targets that do not go together) is a documented 422.
[checks.positive_data_acceptance]
enabled = false
# Also 412: what was changed since. And 431: too many long values for one address.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429, 431, "5xx"]
# TRACE and QUERY are no methods to the data plane, which refuses them on every path (tests/wire/test_http1_heads.py).
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]
[phases.stateful]
max-steps = 5
# Also the path of a credential that is named `test`, which more can be done with.
[[operations]]
include-path-regex = "/test$"
checks.allow_header_conformance.enabled = false
# A revoked key is shown still, with when it was revoked.
[[operations]]
include-path = "/api/keys/{key_id}"
checks.use_after_free.enabled = false
# The default credential's name is empty, and its path has no place for a name.
[[operations]]
include-path-regex = "^/api/credentials/"
checks.ensure_resource_availability.enabled = false
# One that nothing removes: few of those that are made live until they are tested.
[[operations]]
include-name = "POST /api/credentials/{backend_type}/{name}/test"
[operations.parameters]
"path.backend_type" = "openai"
"path.name" = "kept"
[[operations]]
include-name = "PATCH /api/credentials/{backend_type}/{name}"
[operations.parameters]
"path.backend_type" = "openai"
"path.name" = "kept"
[[operations]]
include-name = "DELETE /api/credentials/{backend_type}/{name}"
[operations.parameters]
"path.backend_type" = "openai"
"path.name" = "gone"
[[operations]]
include-name = "DELETE /api/recordings/{name}"
parameters = { "path.name" = "gone" }
# Of the last of several, which nobody removes by its small number.
[[operations]]
include-name = "POST /api/webhooks/{webhook_id}/test"
parameters = { "path.webhook_id" = @webhook }
# One whose engine never runs is waited for a minute and a half.
[[operations]]
include-name = "POST /api/local/{name}/test"
parameters = { "path.name" = "plain" }
[[operations]]
include-name = "POST /api/credentials/{backend_type}/test"
parameters = { "path.backend_type" = "anthropic" }
# Commands stand in files that the API does not write: of engines there is this one.
[[operations]]
include-path-regex = "^/api/engines/"
parameters = { "path.name" = "kept" }
[[operations]]
include-name = "PATCH /api/credentials/{backend_type}"
[operations.parameters]
"path.backend_type" = "anthropic"
"header.if-match" = "*"
# Hardly any text that is drawn is the version that is there.
[[operations]]
include-name-regex = "^PUT /api/credentials/"
parameters = { "header.if-match" = "*" }
[[operations]]
include-name = "PATCH /api/mappings/{mapping_id}"
[operations.parameters]
"path.mapping_id" = @mapping
"header.if-match" = "*"
[[operations]]
include-name = "POST /api/audit/{entry_id}/undo"
parameters = { "path.entry_id" = @entry }
# It would remove what the others need.
[[operations]]
include-name = "POST /api/config/apply"
parameters = { "query.prune" = false }
# Its corners are those of all the others together, a third of all requests; what it holds the others' own operations try.
phases = { coverage = { enabled = false } }
[[operations]]
include-name = "POST /api/config/diff"
phases = { coverage = { enabled = false } }
[[operations]]
include-name = "DELETE /api/credentials/{backend_type}"
parameters = { "path.backend_type" = "openai" }
"""


_MAY_FAIL = {
    "other",
    "GET /api/explain/last",
    "GET /api/captured/{request_id}",
    "DELETE /api/captured/{request_id}",
    "POST /api/uploaded-backups",
    "DELETE /api/stored-models",
    "POST /api/requests/{request_id}/cancel",
    "POST /api/backups/{name}/restore",
    "POST /api/programs/{name}/settings",
    "DELETE /api/programs/{name}/settings",
    "PATCH /api/nodes/{name}",
}
"""What has been kept is cleared by another operation; nothing was asked, no model is on this disk and no request runs; a
backup's name is known to who has just made it, and the digest of a change to who was shown it; this gateway is alone on its database."""


@dataclass(frozen=True, slots=True)
class Explored:
    """failures: what schemathesis told, "" for nothing. statuses: operation -> how often each was answered.
    log: the gateway's."""

    failures: str
    statuses: dict[str, dict[int, int]]
    log: str

    def wrong(self) -> list[str]:
        """Sentences about what must not be."""
        found = [self.failures] if self.failures else []
        for operation, statuses in self.statuses.items():
            if any(status >= 500 for status in statuses):
                found.append(f"{operation}: {statuses}")
            if operation not in _MAY_FAIL and not {200, 201, 204} & set(statuses):
                found.append(f"{operation} never went well: {statuses}")
        if "Traceback" in self.log:
            found.append(self.log)
        return found


def namespaces() -> bool:
    """May this user have a network of his own?"""
    return _apart() is not None


def _apart() -> list[str] | None:
    """The command that gives one, where it may be with all its processes, which end with it."""
    for words in (["unshare", "-rnp", "--fork", "--kill-child", "--mount-proc"], ["unshare", "-rn"]):
        try:
            if not subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
                return words
        except OSError:
            return None
    return None


def explore(folder: Path, examples: int, seed: int | None = None) -> Explored:
    """seed None: the same every time. examples: of each operation."""
    words = [sys.executable, "-m", __name__, str(folder), str(examples), "" if seed is None else str(seed)]
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        [*(_apart() or ()), "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *words],
        cwd=ROOT,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(ROOT)])}
        | {"HOME": str(home)},  # settings files of programs are written there
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
    )
    report = folder / "explored.json"
    if not report.exists():
        raise AssertionError(f"nothing was explored:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    found = json.loads(report.read_text())
    statuses = {name: {int(k): v for k, v in seen.items()} for name, seen in found["statuses"].items()}
    return Explored(found["failures"], statuses, found["log"])


def main(folder: Path, examples: int, seed: str) -> None:
    """Inside: serve, explore, write down what was seen."""
    config, har = folder / "schemathesis.toml", folder / "calls.har"
    with Gateway(folder / "data", expect_clean_log=False) as gateway:
        kept = {"api_key": "sk-kept", "base_url": "http://127.0.0.1:9", "allow_http": True}
        gateway.api("PUT", "/api/credentials/openai/kept", kept)
        gateway.api("PUT", "/api/credentials/openai/gone", kept)
        gateway.api("PUT", "/api/credentials/anthropic", kept)
        write_recipe(folder / "data", "kept", {"command": ["sleep", "{port}"], "deadline": 3.0})
        gateway.api("POST", "/api/local", {"name": "engine", "base_url": engine_url("kept")})
        gateway.api("POST", "/api/local", {"name": "plain", "base_url": "http://127.0.0.1:9"})
        gateway.api("POST", "/api/recordings", {"name": "gone", "answers": []})
        hooks = [
            gateway.api("POST", "/api/webhooks", {"url": f"http://127.0.0.1:9/{number}"})["id"]
            for number in range(5)
        ]
        rules = [
            gateway.api(
                "POST", "/api/mappings", {"model_pattern": f"kept-{number}", "backend_type": "local"}
            )["id"]
            for number in range(5)
        ]
        entry = gateway.api("GET", "/api/audit")[0]["id"]
        values = {"@webhook": hooks[-1], "@mapping": rules[-2], "@entry": entry}
        text = CONFIG
        for word, value in values.items():
            text = text.replace(word, str(value))
        config.write_text(text)
        document = gateway.api("GET", "/api/openapi.json")
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config),
                "run", f"{gateway.url}/api/openapi.json", "-H", f"Authorization: Bearer {gateway.admin_token}",
                "-n", str(examples), "--no-color", "--report-har-path", str(har), "--output-sanitize", "false",
                *(["--seed", seed, "--generation-database", "none"] if seed else ["--generation-deterministic"]),
            ],
            cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert gateway.api("GET", "/api/status")["workers"], "it serves still"
    found = {
        "failures": "" if done.returncode == 0 else done.stdout[-20_000:] + done.stderr[-2000:],
        "statuses": _statuses(document, json.loads(har.read_text())),
        "log": gateway.read_log()[-200_000:],
    }
    (folder / "explored.json").write_text(json.dumps(found))


def _statuses(document: dict[str, Any], har: dict[str, Any]) -> dict[str, dict[int, int]]:
    """By operation; a method or path that is none goes by `other`."""
    shapes = {path: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in document["paths"]}
    operations = {f"{m.upper()} {p}" for p, item in document["paths"].items() for m in item}
    found: dict[str, dict[int, int]] = {name: {} for name in sorted(operations)}
    for entry in har["log"]["entries"]:
        path = urlsplit(entry["request"]["url"]).path
        # the more exact one first: /api/local/{name}/test is no name
        fits = [p for p in sorted(shapes, key=lambda p: p.count("{")) if shapes[p].fullmatch(path)]
        name = f"{entry['request']['method']} {fits[0] if fits else ''}"
        seen = found.setdefault(name if name in operations else "other", {})
        status = entry["response"]["status"]
        seen[status] = seen.get(status, 0) + 1
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
