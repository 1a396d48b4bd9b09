"""`POINTSMAN_LOG` in every process of a running gateway."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

from .gateway import Gateway, wait_until
from .wires import CHAT


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.read_log().splitlines()]


def test_as_json_each_line_of_each_process_is_an_object_and_a_request_has_its_id(tmp_path: Path) -> None:
    env = {"POINTSMAN_LOG": "json,info"}
    with Gateway(tmp_path / "data", "--workers", "2", env=env, expect_clean_log=False) as gateway:
        gateway.rule("gone", gateway.backend("local", "http://127.0.0.1:9"), "local/practice=practice")
        answer = gateway.fetch("POST", CHAT.path, CHAT.ask("gone"), **{"user-agent": "tests/1"})
        name = answer.header("x-request-id")
        wait_until("the request's own line", lambda: any(one["part"] == "requests" for one in lines(gateway)))
        (one,) = [line for line in lines(gateway) if line["part"] == "requests"]
        assert one["request_id"] == name
        assert (one["model"], one["status"], one["target"]) == ("gone", 200, "local/practice:practice")
        for pid in gateway.pids("pointsman.admin"):
            os.kill(pid, signal.SIGKILL)
        wait_until(
            "supervisor and data plane have told of it",
            lambda: (
                {"supervisor", "data-plane 0", "data-plane 1"} <= {line["process"] for line in lines(gateway)}
            ),
        )
        assert {line["level"] for line in lines(gateway)} <= {"info", "warning"}
        file = gateway.data_dir / "gateway.log"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept = [json.loads(line) for line in file.read_text().splitlines()]
        assert [one for one in lines(gateway) if one not in kept] == []
        assert f"answers at {gateway.url}" in kept[0]["message"]
        shown = gateway.cli("logs", "--request", name or "").splitlines()
        assert len(shown) == len([one for one in kept if one.get("request_id") == name]) >= 2


def test_a_level_holds_in_every_process_and_a_part_has_its_own(tmp_path: Path) -> None:
    env = {"POINTSMAN_LOG": "error,requests=info"}
    with Gateway(tmp_path / "data", env=env) as gateway:
        gateway.fetch("POST", CHAT.path, CHAT.ask("practice"))
        wait_until("its line", lambda: "pointsman.requests" in gateway.read_log())
        gateway.terminate()
        wait_until("it has ended", lambda: gateway.process is not None and gateway.process.poll() is not None)
        (line,) = gateway.read_log().splitlines()
        assert " INFO pointsman.requests request req_" in line
        assert "pointsman.requests" not in gateway.cli("logs")  # which has its own form
        assert gateway.cli("logs").count(" info ") == 3, "it serves, a request, it has stopped"


def test_no_file_where_standard_error_alone_is_wished(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data", env={"POINTSMAN_LOG": "stderr,info"}) as gateway:
        gateway.fetch("POST", CHAT.path, CHAT.ask("practice"))
        wait_until("its line", lambda: "pointsman.requests" in gateway.read_log())
        assert not (gateway.data_dir / "gateway.log").exists()
