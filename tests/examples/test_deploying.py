"""The files for deploying start the server by options that it has, and give it the time that it takes to stop."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from janiform.cli.group import COMMANDS, group

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples" / "serve" / "janiform.service"


def dockerfile() -> dict[str, str]:
    """Instruction -> its last value, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value.strip() for name, _, value in (line.partition(" ") for line in lines)}


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def unit() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", SERVICE.read_text(), re.MULTILINE))


def commands() -> dict[str, list[str]]:
    """Arguments of ``janiform`` by the file that has them."""
    found = {f"compose {name}": list(map(str, service["command"])) for name, service in compose().items()}
    found["Dockerfile"] = json.loads(dockerfile()["CMD"])
    found["janiform.service"] = shlex.split(unit()["ExecStart"])[1:]
    docs = (ROOT / "docs" / "deploying.md").read_text()
    for number, line in enumerate(re.findall(r"^    (?:\S*/)?janiform (serve .*)$", docs, re.MULTILINE)):
        found[f"deploying.md {number}"] = shlex.split(line)
    return found


@pytest.mark.skipif("serve" not in COMMANDS, reason="this version has no server")
def test_every_command_is_one_that_the_server_takes() -> None:
    context = click.Context(group)
    command = group.get_command(context, "serve")
    assert command is not None
    found = commands()
    assert len(found) >= 6
    for where, (name, *arguments) in found.items():
        assert name == "serve", where
        settings = command.make_context("serve", list(arguments), parent=context).params
        stop = {"janiform.service": unit()["TimeoutStopSec"]}.get(where, compose()["janiform"]["stop_grace_period"])
        assert float(stop.rstrip("s")) > settings["grace"], where
        container = "compose" in where or where == "Dockerfile"
        assert settings["host"] == ("0.0.0.0" if container or "0.0.0.0" in arguments else "127.0.0.1"), where


@pytest.mark.skipif("serve" not in COMMANDS, reason="this version has no server")
@pytest.mark.parametrize("file", ["nginx.conf", "Caddyfile"])
def test_proxies_have_the_limits_of_the_server(file: str) -> None:
    command = group.get_command(click.Context(group), "serve")
    assert command is not None
    settings = command.make_context("serve", ["janus-mini"]).params
    text = (ROOT / "examples" / "serve" / file).read_text()
    sizes = re.findall(r"max_body_size (\d+)m;", text)
    assert sizes == [str(settings["max_body"])] * (file == "nginx.conf"), "Caddy has no limit of its own"
    seconds = re.search(r"(?:read|header)_timeout (\d+)s", text)
    assert seconds is not None
    assert float(seconds[1]) >= settings["deadline"]
    assert f"127.0.0.1:{settings['port']}" in text


def test_the_container_has_what_the_wheel_is_built_from() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
    for name in ("core", "plugins", "recipes", "pyproject.toml", "setup.py", "README.md", "LICENSE", "constraints.txt"):
        assert name in kept
    services = compose()
    assert services["janiform-cuda"]["build"]["args"].keys() <= {"TORCH"}
    assert "ARG TORCH=cpu" in (ROOT / "Dockerfile").read_text()
    for service in services.values():
        assert service["ports"] == ["127.0.0.1:8000:8000"]
        assert "JANIFORM_API_KEY" in service["environment"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "janiform.service"
    copy.write_text(SERVICE.read_text().replace(shlex.split(unit()["ExecStart"])[0], "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
