"""Peer routing in the texts for people and in the metrics."""

from edge.kad.view import VIEW
from edge.status.exposition import Exposition

REQUESTS = {"find_node": 7, "ping": 1}
STATUS = {
    "kad": {"peers": 3, "providers": 2, "searches": 4, "requests": REQUESTS, "refused": 1},
}


def test_status_shows_peers_and_searches() -> None:
    assert VIEW.rows(STATUS) == [("peer routing", "3 peers, 7 searches answered, 4 made")]
    assert VIEW.rows({}) == []


def test_the_metrics_have_requests_by_type() -> None:
    page = Exposition()
    VIEW.metrics(page, STATUS)
    VIEW.metrics(page, {})
    lines = page.text().splitlines()
    for line in (
        "kwaainet_kad_peers 3",
        "kwaainet_kad_providers 2",
        "kwaainet_kad_searches_total 4",
        'kwaainet_kad_requests_total{type="find_node"} 7',
        'kwaainet_kad_requests_total{type="ping"} 1',
        "kwaainet_kad_refused_total 1",
    ):
        assert line in lines, lines
