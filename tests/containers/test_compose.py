"""The compose files as compose-go reads them, and balena's project by balena's own parsers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from containers.image import relay
from edge.config.schema import SECTIONS
from edge.version import VERSION
from tests.counterparts import compose_readers

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "containers" / "compose"
BALENA = ROOT / "balena"
SCHEMA = Path(__file__).with_name("balena.schema.json")
NAS = ("synology", "qnap")
MIB = 1 << 20
VARIABLES = {option.environment for section in SECTIONS for option in section.options()}


def relay_of(name: str) -> dict[str, Any]:
    read = compose_readers.compose(COMPOSE / f"{name}.yml")
    assert not read.get("error"), read
    found: dict[str, Any] = read["services"]["relay"]
    return found


# --- compose ---


@pytest.mark.parametrize("name", ["docker", *NAS])
def test_a_relay_is_confined_on_every_machine(name: str) -> None:
    found = relay_of(name)
    assert found["image"] == f"localhost/{relay.NAME}:{VERSION}"
    assert found["cap_drop"] == ["ALL"]
    assert found["read_only"] is True
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert int(found["mem_limit"]) == 128 * MIB
    assert found["network_mode"] == "host"
    assert [volume["target"] for volume in found["volumes"]] == [relay.VOLUME]
    assert set(found["environment"]) <= VARIABLES


@pytest.mark.parametrize("name", NAS)
def test_a_nas_mounts_a_folder_of_a_user_of_its_own(name: str) -> None:
    found = relay_of(name)
    assert [volume["type"] for volume in found["volumes"]] == ["bind"]
    assert re.fullmatch(r"\d+:\d+", found["user"])


def test_a_published_port_is_explained_in_lines_that_can_be_used(tmp_path: Path) -> None:
    text = (COMPOSE / "docker.yml").read_text()
    text = text.replace("    network_mode: host\n", "").replace("# ports:", "ports:")
    text = text.replace("#   - ", "  - ").replace("# KWAAINET_EXT", "KWAAINET_EXT")
    path = tmp_path / "docker.yml"
    path.write_text(text)
    found = compose_readers.compose(path)["services"]["relay"]
    assert [(port["target"], port["published"]) for port in found["ports"]] == [(4001, "4001")]
    assert found["environment"]["KWAAINET_EXTERNAL_ADDRESS"] == "/ip4/198.51.100.7/tcp/4001"


def test_the_reader_refuses_what_is_no_compose_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yml"
    path.write_text("services: {relay: {image: a, cap_dropp: [ALL]}}\n")
    assert compose_readers.compose(path)["error"] is True


# --- balena ---


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return compose_readers.balena(BALENA, SCHEMA)


def test_balena_reads_the_project(project: dict[str, Any]) -> None:
    assert project["problems"] == []
    assert project["described"]["version"] == VERSION
    data = project["described"]["data"]
    assert data["defaultDeviceType"] in data["supportedDeviceTypes"]
    assert {name for each in data["applicationEnvironmentVariables"] for name in each} <= VARIABLES


def test_a_device_must_be_one_of_those_that_are_named(project: dict[str, Any]) -> None:
    """The first Pi and the Zero are arm/v6, for which there is no binary."""
    assert project["runs"] == {"raspberrypi4-64": True, "raspberry-pi": False}


@pytest.mark.parametrize("reader", ["composition", "older"])
def test_both_parsers_find_the_host_network_and_the_volume(
    project: dict[str, Any], reader: str
) -> None:
    found = project[reader]["services"]["kwaainet"]
    assert found["network_mode"] == "host"
    assert found["volumes"] == ["data:/data"]
    assert found["stop_grace_period"] == "10s"
    assert project[reader]["volumes"] == {"data": {}}


def test_the_dockerfile_is_complete_and_hadolint_finds_nothing(project: dict[str, Any]) -> None:
    assert "%%" not in project["dockerfile"]
    assert "COPY --chmod=755 amd64/kwaainet " in project["dockerfile"]
    assert compose_readers.hadolint(project["dockerfile"]) == ""
    assert compose_readers.hadolint("FROM debian\n") != ""
