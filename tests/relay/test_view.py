"""What the relay adds to status, peers, the banner and the metrics."""

from __future__ import annotations

from edge.relay.view import VIEW
from edge.status.metrics import Exposition

RELAY = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo"
STATUS = {
    "reservations": {"held": 9, "max": 128},
    "circuits": {"open": 3, "total": 41, "max": 256, "max_duration": 0, "max_data": 0},
    "bytes": {"relayed": 3072, "to_listeners": 1024, "to_dialers": 2048},
    "refusals": {"relay": {"no_reservation": 7}},
}


def test_the_rows_of_status() -> None:
    assert VIEW.rows(STATUS) == [
        ("reservations", "9 held for others (limit 128)"),
        ("circuits", "3 open, 41 since start (limit 256)"),
        ("relayed", "1.0 KiB to listeners, 2.0 KiB to dialers"),
    ]
    assert list(VIEW.rows({})) == []


def test_reservations_of_our_own() -> None:
    wanted = {"reservations": {"wanted": 2, "own": []}}
    assert VIEW.rows(wanted) == [("own relays", "none yet, 2 wanted")]
    own = [{"relay": RELAY, "expires_in": seconds, "addresses": []} for seconds in (3600, 60)]
    assert VIEW.rows({"reservations": {"wanted": 2, "own": own}}) == [
        ("own relays", "12D3KooWQY..CVe2Xo, renewed within 1 h"),
        ("", "12D3KooWQY..CVe2Xo, renewed within 1 m"),
    ]
    assert VIEW.rows({"reservations": {"wanted": 0, "own": []}}) == []


def test_the_banner_tells_limits() -> None:
    assert VIEW.banner(STATUS) == [
        ("relay", "up to 128 reservations, 256 circuits"),
        ("circuits", "unlimited time and data"),
    ]
    limited = {**STATUS["circuits"], "max_duration": 120, "max_data": 131072}
    assert VIEW.banner({**STATUS, "circuits": limited})[1] == (
        "circuits",
        "closed after 2 m or 128.0 KiB each way",
    )
    assert list(VIEW.banner({})) == []


def test_the_columns_of_peers() -> None:
    peer = {"reserved": True, "circuits": 2, "bytes_from": 1024, "bytes_to": 0}
    cells = {column.name: column.cell(peer) for column in VIEW.columns}
    assert cells == {"RESERVED": "yes", "CIRCUITS": "2", "FROM": "1.0 KiB", "TO": "0 B"}
    assert VIEW.columns[0].cell({"reserved": False}) == "-"
    assert all(column.key in peer for column in VIEW.columns)


def test_metrics_keep_their_names() -> None:
    page = Exposition()
    VIEW.metrics(page, STATUS)
    samples = [line for line in page.text().splitlines() if not line.startswith("#")]
    assert samples == [
        "kwaainet_relay_reservations 9",
        "kwaainet_relay_reservations_limit 128",
        "kwaainet_relay_circuits 3",
        "kwaainet_relay_circuits_limit 256",
        "kwaainet_relay_circuits_opened_total 41",
        'kwaainet_relay_bytes_total{direction="to_listeners"} 1024',
        'kwaainet_relay_bytes_total{direction="to_dialers"} 2048',
        'kwaainet_relay_refused_total{status="no_reservation"} 7',
    ]
    nothing = Exposition()
    VIEW.metrics(nothing, {})
    assert not nothing.text().strip()
