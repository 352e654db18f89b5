"""The chart as Helm renders it: read by Kubernetes' schemas, strictly, and by the node itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from containers.image import relay
from edge.config.schema import SECTIONS
from edge.version import VERSION
from tests.counterparts.base import Setup, asynchronous, free_port
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.helm import HelmError, helm, promtool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "k8s" / "kwaainet"
NAME = "home-kwaainet"
# The oldest that the chart takes, and the newest that there are schemas of.
KUBERNETES = ("1.27", "1.37")
MONITORING = "monitoring.coreos.com/v1"
EVERYTHING = {
    "metrics": {
        "enabled": True,
        **{name: {"enabled": True} for name in ("podMonitor", "rules", "dashboard")},
    }
}
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "host port of its own": {"exposure": {"type": "HostPort", "port": 31337}},
    "node ports": {"replicas": 3, "exposure": {"type": "NodePort"}},
    "load balancers": {
        "replicas": 2,
        "exposure": {
            "type": "LoadBalancer",
            "loadBalancerClass": "io.cilium/node",
            "annotations": {"example.org/pool": "public"},
        },
    },
    "inside": {"exposure": {"type": "ClusterIP"}},
    "no volume": {"persistence": {"enabled": False}},
    "a storage class": {"persistence": {"storageClass": "local-path", "size": "1Gi"}},
    "an address": {"exposure": {"externalAddresses": ["/ip4/198.51.100.7/tcp/4001"]}},
    "options": {
        "settings": {
            "node": {"log_level": "debug", "max_connections": 300},
            "relay": {"rate": "2M", "deny_networks": ["192.0.2.0/24"], "private": True},
        }
    },
    "a place": {
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "low",
        "podLabels": {"team": "edge"},
        "podAnnotations": {"example.org/note": "x"},
        "image": {"pullSecrets": [{"name": "registry"}], "tag": "0.2.0"},
        "env": [{"name": "KWAAINET_LOG_LEVEL", "value": "debug"}],
    },
    "nothing around it": {
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
    },
    "who may read metrics": {
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": True}},
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "exceptNetworks": ["169.254.0.0/16", "10.0.0.0/8"],
        },
    },
}
VARIABLES = {option.environment for section in SECTIONS for option in section.options()}


def rendered(values: dict[str, Any], kubernetes: str = "1.33") -> list[dict[str, Any]]:
    """The objects of the release `home`."""
    words = ("template", "home", CHART, "--kube-version", kubernetes, "--namespace", "edge")
    flags = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    return [each for each in yaml.safe_load_all(helm(*words, *flags)) if each]


def the(kind: str, objects: list[dict[str, Any]], name: str = NAME) -> dict[str, Any]:
    (found,) = [
        each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return found


def relay_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (container,) = the("StatefulSet", objects)["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def test_helm_finds_nothing_to_say() -> None:
    helm("lint", "--strict", CHART)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("name", MATRIX)
def test_every_object_is_one_of_kubernetes(name: str, kubernetes: str) -> None:
    objects = rendered(MATRIX[name], kubernetes)
    places = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(places) == len(set(places))
    for each in objects:
        if each["apiVersion"] != MONITORING:
            kubernetes_validate.validate(each, kubernetes, strict=True)
    spec = the("StatefulSet", objects)["spec"]
    selector = spec["selector"]["matchLabels"].items()
    assert selector <= spec["template"]["metadata"]["labels"].items()
    for service in [each for each in objects if each["kind"] == "Service"]:
        assert selector <= service["spec"]["selector"].items()


def test_nobody_is_root_and_nothing_is_written_but_the_volume() -> None:
    objects = rendered({})
    pod, container = the("StatefulSet", objects)["spec"]["template"]["spec"], relay_of(objects)
    assert container["image"] == f"localhost/{relay.NAME}:{VERSION}"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == relay.USER
    assert pod["enableServiceLinks"] is pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = [each for each in container["volumeMounts"] if not each.get("readOnly")]
    assert [each["mountPath"] for each in writable] == [relay.VOLUME]
    assert {each["name"] for each in container["env"]} <= VARIABLES


def test_the_memory_of_its_request_is_the_nodes_limit() -> None:
    (limit,) = relay_of(rendered({}))["env"]
    source = limit["valueFrom"]["resourceFieldRef"]
    assert limit["name"] == "KWAAINET_MEMORY_LIMIT"
    assert (source["resource"], source["divisor"]) == ("requests.memory", "1")  # in bytes


def test_no_service_stands_for_two_nodes() -> None:
    for name, ports in (("node ports", [30401, 30402, 30403]), ("load balancers", [None, None])):
        objects = rendered(MATRIX[name])
        apart = [
            the("Service", objects, f"{NAME}-{number}")["spec"] for number in range(len(ports))
        ]
        pods = [each["selector"]["statefulset.kubernetes.io/pod-name"] for each in apart]
        assert pods == [f"{NAME}-{number}" for number in range(len(ports))]
        assert [each["ports"][0].get("nodePort") for each in apart] == ports
        assert {each["externalTrafficPolicy"] for each in apart} == {"Local"}
        assert "hostPort" not in relay_of(objects)["ports"][0]


def test_another_file_starts_the_nodes_anew() -> None:
    def sum_of(values: dict[str, Any]) -> str:
        template = the("StatefulSet", rendered(values))["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert sum_of({}) != sum_of(MATRIX["options"])
    assert sum_of({}) == sum_of(MATRIX["no volume"])


@pytest.mark.parametrize("name", MATRIX)
def test_the_node_takes_its_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.toml"
    file.write_text(the("ConfigMap", rendered(MATRIX[name]))["data"]["kwaainet.toml"])
    command = (sys.executable, "-m", "edge", "check-config", "--config", str(file))
    words = (*command, "--data-dir", str(tmp_path / "data"))
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("values", "about"),
    [
        ({"replica": 1}, "replica"),
        ({"exposure": {"type": "Ingress"}}, "type"),
        ({"exposure": {"port": 0}}, "port"),
        ({"exposure": {"nodePort": 80}}, "nodePort"),
        ({"resources": {"requests": {"memory": "much"}}}, "memory"),
        ({"persistence": {"accessMode": "ReadWriteMany"}}, "accessMode"),
        ({"settings": {"node": {"network": {"x": 1}}}}, "network"),
        (
            {"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
            "twice",
        ),
        (
            {"replicas": 2, "exposure": {"externalAddresses": ["/ip4/198.51.100.7/tcp/4001"]}},
            "one node",
        ),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], about: str) -> None:
    with pytest.raises(HelmError, match=about):
        rendered(values)


# --- metrics ---


@asynchronous(30)
async def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    port = free_port()
    listen = f"/ip4/127.0.0.1/tcp/{port}"
    async with EdgeNode(Setup(), ["--status-http", "yes", "--status-http-listen", listen]):
        page = await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}/metrics")
    known = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    for name in ("alerts.yaml", "dashboard.json"):
        asked = set(re.findall(r"\bkwaainet_\w+", (CHART / "files" / name).read_text()))
        assert asked and asked <= known, asked - known


def fetched(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read(), "utf-8")


def test_alerts_are_rules_of_prometheus(tmp_path: Path) -> None:
    objects = rendered(EVERYTHING)
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(the("PrometheusRule", objects)["spec"]))
    assert "SUCCESS: 6 rules found" in promtool("check", "rules", rules)
    assert "SUCCESS" in promtool("test", "rules", Path(__file__).with_name("alerts_test.yaml"))


def test_the_dashboard_is_one_a_sidecar_finds() -> None:
    found = the("ConfigMap", rendered(EVERYTHING), f"{NAME}-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(found["data"]["kwaainet.json"])
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == 10
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))  # none lies over another
