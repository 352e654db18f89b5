"""The chart at a real API server: everything is applied there, and installed by Helm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.counterparts.api_server import ApiServer, Refused
from tests.counterparts.helm import helm
from tests.k8s.test_chart import CHART, MATRIX, MONITORING, NAME, rendered, the


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        running.create_namespace("edge")
        yield running


@pytest.mark.parametrize("name", MATRIX)
def test_every_object_is_applied(server: ApiServer, name: str) -> None:
    """Strictly: a field that the server does not know, or that it drops, is refused."""
    for manifest in rendered(MATRIX[name]):
        if manifest["apiVersion"] == MONITORING:
            continue  # of the Prometheus operator, which is not there
        # A StatefulSet's volumes and selector cannot be changed: each set of values is another.
        renamed = manifest["metadata"]["name"].replace(NAME, name.replace(" ", "-"))
        manifest["metadata"] |= {"name": renamed, "namespace": "edge"}
        for port in manifest["spec"].get("ports", ()) if manifest["kind"] == "Service" else ():
            port.pop("nodePort", None)  # the same ones are taken by others
        server.apply(manifest)
        assert server.get(manifest)["metadata"]["name"] == renamed


def test_a_field_that_does_not_exist_is_refused(server: ApiServer) -> None:
    manifest = the("StatefulSet", rendered({}))
    manifest["spec"]["template"]["spec"]["containers"][0]["memory"] = "64Mi"
    with pytest.raises(Refused, match="memory"):
        server.apply(manifest)


def test_helm_installs_upgrades_and_removes_it(server: ApiServer) -> None:
    kube = ("--kubeconfig", server.kubeconfig, "--namespace", "home")
    said = helm("install", "home", CHART, *kube, "--create-namespace")
    assert "1 node(s) of KwaaiNet" in said
    stateful = the("StatefulSet", rendered({}))
    stateful["metadata"]["namespace"] = "home"
    assert server.get(stateful)["spec"]["replicas"] == 1
    helm("upgrade", "home", CHART, *kube, "--set", "replicas=2,exposure.type=NodePort")
    assert server.get(stateful)["spec"]["replicas"] == 2
    helm("uninstall", "home", *kube)
    with pytest.raises(Refused, match="not found"):
        server.get(stateful)
