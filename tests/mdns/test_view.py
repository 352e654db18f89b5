"""What discovery adds to status and the metrics."""

from typing import Any

from edge.mdns.view import VIEW
from edge.status.metrics import Exposition


def status(*connected: bool) -> dict[str, Any]:
    return {
        "mdns": {
            "interfaces": ["br-lan"],
            "peers": [{"peer": "x", "connected": each} for each in connected],
            "messages": {"received": 5, "sent": 2},
        }
    }


def test_the_row_of_status() -> None:
    assert VIEW.rows(status()) == [("local network", "0 peers found on br-lan")]
    assert VIEW.rows(status(False)) == [("local network", "1 peer found on br-lan")]
    assert VIEW.rows(status(True, False)) == [
        ("local network", "2 peers found on br-lan, 1 connected")
    ]
    assert not VIEW.rows({})
    assert not VIEW.rows({"mdns": {"interfaces": [], "peers": [], "messages": {}}})


def test_metrics() -> None:
    page = Exposition()
    VIEW.metrics(page, status(True, False))
    VIEW.metrics(page, {})
    lines = page.text().splitlines()
    assert "kwaainet_mdns_peers 2" in lines
    assert "kwaainet_mdns_peers_connected 1" in lines
    assert 'kwaainet_mdns_messages_total{kind="received"} 5' in lines
