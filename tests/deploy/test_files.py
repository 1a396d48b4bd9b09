"""The files of deploy/ say what the gateway takes, confine it as the docs say, and give it the time that it needs to end."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.vault import Source, Vault
from pointsman.cli.serve import command as serve
from pointsman.cli.service_files import variables_of
from pointsman.config import Limits, limit_of, log_wishes
from pointsman.process.supervisor import _LAST_SECONDS

from .balancers import DEPLOY

ROOT = DEPLOY.parent
COMPOSE = DEPLOY / "compose" / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
UNIT = DEPLOY / "systemd" / "pointsman@.service"
SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text()
VERSIONS = ("1.29", "1.37")
"""Of Kubernetes: what many clusters still have, and the newest that the schemas know."""


def manifests() -> dict[str, dict[str, Any]]:
    found = [yaml.safe_load(path.read_text()) for path in sorted(KUBERNETES.glob("*.yaml"))]
    return {one["kind"]: one for one in found}


def pod() -> Any:
    return manifests()["Deployment"]["spec"]["template"]["spec"]


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def of_kubernetes() -> dict[str, str]:
    given = {one["name"]: one.get("value", "") for one in pod()["containers"][0]["env"]}
    given["POINTSMAN_DATABASE_URL"] = manifests()["Secret"]["stringData"]["database-url"]
    return {name: text for name, text in given.items() if text}


ENVIRONMENTS: dict[str, Callable[[], dict[str, str]]] = {
    "compose": lambda: services()["node1"]["environment"],
    "kubernetes": of_kubernetes,
    "systemd": lambda: variables_of((UNIT.parent / "node.env").read_text()),
}


def stop_seconds(where: str) -> float:
    if where == "compose":
        return float(limit_of("drain_seconds", services()["node1"]["stop_grace_period"]))
    if where == "kubernetes":
        return float(pod()["terminationGracePeriodSeconds"])
    return float(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[0])


def test_every_variable_that_they_name_is_the_gateways() -> None:
    known = set(re.findall(r"`(POINTSMAN_[A-Z_]+)`", SETTINGS))
    paths = [
        *(path for path in DEPLOY.rglob("*") if path.is_file()),
        ROOT / "compose.yaml",
        ROOT / "Containerfile",
    ]
    named = {name: path for path in paths for name in re.findall(r"POINTSMAN_[A-Z_]+", path.read_text())}
    assert {name: path.name for name, path in named.items() if name not in known} == {}
    assert len(named) > 8


@pytest.mark.parametrize("where", [*ENVIRONMENTS])
def test_the_gateway_takes_every_value(where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = ENVIRONMENTS[where]()
    for name in [name for name in os.environ if name.startswith("POINTSMAN_")]:
        monkeypatch.delenv(name)
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    place = database_place(tmp_path, given["POINTSMAN_DATABASE_URL"])
    assert isinstance(place, PostgresPlace)
    elsewhere = not place.link.get("host", "").startswith("/")
    assert place.link.get("sslmode") == ("verify-full" if elsewhere else None)
    log_wishes()
    with serve.make_context("serve", []) as context:
        assert isinstance(context, click.Context)
    limits = Limits.from_environment()
    assert limits.leave_seconds >= 5, "a balancer that asks each second or two has to see it"
    assert stop_seconds(where) > limits.leave_seconds + limits.drain_seconds + 5 + _LAST_SECONDS


def test_the_three_nodes_of_the_compose_file_differ_in_name_address_and_volume_alone() -> None:
    found = services()
    nodes = [found[name] for name in ("node1", "node2", "node3")]
    for take in (
        lambda node: node["environment"].pop("POINTSMAN_NODE"),
        lambda node: node["networks"].pop("default")["ipv4_address"],
        lambda node: node["volumes"].pop(0),
    ):
        assert len({take(node) for node in nodes}) == 3
    assert nodes[0] == nodes[1] == nodes[2]
    conf = (DEPLOY / "nginx.conf").read_text()
    again = yaml.safe_load(COMPOSE.read_text())["services"]
    for name in ("node1", "node2", "node3"):
        assert f"server {again[name]['networks']['default']['ipv4_address']}:4480 max_fails" in conf
    strict = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["pointsman"]
    for key in ("read_only", "tmpfs", "cap_drop", "security_opt"):
        assert again["node1"][key] == again["nginx"][key] == strict[key]
    assert all(port.startswith("127.0.0.1:") for one in again.values() for port in one.get("ports", ()))
    assert again["postgres"]["network_mode"] == "none"


def test_the_compose_files_secrets_are_made_once_as_its_services_read_them(tmp_path: Path) -> None:
    """chown is played: who runs the tests need not be root."""
    (tmp_path / "secrets.sh").write_text((DEPLOY / "compose" / "secrets.sh").read_text())
    played = tmp_path / "bin" / "chown"
    played.parent.mkdir()
    played.write_text(f'#!/bin/sh\necho "$@" >>{shlex.quote(str(tmp_path / "owners"))}\n')
    played.chmod(0o755)

    def run() -> dict[str, str]:
        subprocess.run(
            ["sh", tmp_path / "secrets.sh"], check=True, env={"PATH": f"{played.parent}:{os.environ['PATH']}"}
        )
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    made = run()
    assert run() == made, "a second run makes other secrets"
    assert {*made} == {*yaml.safe_load(COMPOSE.read_text())["secrets"]}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert made["pgpass"].strip() == f"*:*:pointsman:pointsman:{made['postgres-password']}"
    assert len({*made.values()}) == 4
    given = {"POINTSMAN_MASTER_KEY_FILE": str(tmp_path / "secrets" / "master-key")}
    vault = Vault.load(tmp_path, given, rows_exist=False)
    assert (vault.source, vault.problem) == (Source.NAMED_FILE, None)
    assert (
        "10001:10001 secrets/master-key secrets/client-key secrets/pgpass"
        in (tmp_path / "owners").read_text()
    )
    assert "10001" in (ROOT / "Containerfile").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_what_kubernetes_takes(version: str) -> None:
    found = manifests()
    listed = found.pop("Kustomization")["resources"]
    assert sorted(listed) == sorted(
        path.name for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml"
    )
    assert {*found} == {"Deployment", "Service", "Secret", "PodDisruptionBudget"}
    for one in found.values():
        kubernetes_validate.validate(one, version, strict=True)
    found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found["Deployment"], version, strict=True)


def test_the_manifests_fit_each_other() -> None:
    found = manifests()
    deployment, service = found["Deployment"]["spec"], found["Service"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    budget = found["PodDisruptionBudget"]["spec"]
    for selector in (
        deployment["selector"]["matchLabels"],
        service["selector"],
        budget["selector"]["matchLabels"],
    ):
        assert selector == labels
    (container,) = deployment["template"]["spec"]["containers"]
    assert service["ports"][0]["targetPort"] == container["ports"][0]["name"]
    keys = found["Secret"]["stringData"]
    assert container["env"][2]["valueFrom"]["secretKeyRef"] == {"name": "pointsman", "key": "database-url"}
    given = of_kubernetes()
    for text in (given["POINTSMAN_MASTER_KEY_FILE"], given["POINTSMAN_CLIENT_KEY_FILE"]):
        assert Path(text).name in keys
    for name in re.findall(r"/secrets/([a-z.]+)", keys["database-url"]):
        assert name in keys
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"/data", "/secrets", "/tmp"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    whole = deployment["template"]["spec"]
    assert whole["securityContext"]["runAsNonRoot"] is True
    for one in (container, *whole["initContainers"]):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_services_own_variables_do_not_reach_a_pod() -> None:
    """Kubernetes gives each pod `<SERVICE>_PORT=tcp://...`; of a service that is called as ours that is our own variable,
    and no port."""
    name = manifests()["Service"]["metadata"]["name"].upper() + "_PORT"
    assert f"`{name}`" in SETTINGS
    assert pod()["enableServiceLinks"] is False


def test_secrets_that_kubernetes_mounts_become_the_nodes_alone(tmp_path: Path) -> None:
    """By its own command: a mounted secret is a link into a folder of links, readable for a group."""
    given, secrets = tmp_path / "given", tmp_path / "secrets"
    (given / "..data").mkdir(parents=True)
    secrets.mkdir()
    for name in ("master-key", "pgpass", "ca.pem"):
        (given / "..data" / name).write_text("a" * 64)
        (given / "..data" / name).chmod(0o440)
        (given / name).symlink_to(f"..data/{name}")
    shell, option, line = pod()["initContainers"][0]["command"]
    here = line.replace("/given/", f"{shlex.quote(str(given))}/").replace(
        " /secrets/", f" {shlex.quote(str(secrets))}/"
    )
    subprocess.run([shell, option, here], check=True)
    assert {path.name: path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {
        "master-key": 0o600,
        "pgpass": 0o600,
        "ca.pem": 0o600,
    }


def test_the_unit_is_taken_by_systemd_and_confines_more_than_a_users_own(tmp_path: Path) -> None:
    from tests.bench.tools import find

    text = UNIT.read_text()
    for line in (
        "Type=notify",
        "KillMode=mixed",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "User=pointsman",
    ):
        assert f"\n{line}\n" in text
    verify = find("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not here")
    copy = tmp_path / "pointsman@.service"
    copy.write_text(text.replace("/opt/pointsman/bin/pointsman", "/bin/true"))
    done = subprocess.run([verify, "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
