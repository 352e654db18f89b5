"""How long our reservations on relays last, by clocks that may be wrong, and their renewal."""

import pytest

from edge.relay.autorelay import OwnReservation, likely_ttl

MINUTE, HOUR, YEAR = 60.0, 3600.0, 365 * 86400.0


@pytest.mark.parametrize("left", [5, MINUTE, HOUR, 2 * HOUR, 24 * HOUR])
def test_a_likely_end_is_believed(left: float) -> None:
    assert likely_ttl(left, None) == likely_ttl(left, HOUR) == left


@pytest.mark.parametrize("left", [-50 * YEAR, -1, 0, 25 * HOUR, 50 * YEAR])
def test_an_unlikely_one_is_not_and_the_last_believed_counts(left: float) -> None:
    assert likely_ttl(left, 8) == 8
    assert likely_ttl(left, None) == 20 * MINUTE


def test_a_relay_that_grants_an_instant_is_not_asked_without_end() -> None:
    assert likely_ttl(0.1, None) == 4


@pytest.mark.parametrize(
    ("ttl", "renewed"), [(8, 6), (20 * MINUTE, 15 * MINUTE), (HOUR, 15 * MINUTE)]
)
def test_renewed_at_three_quarters_and_before_a_clock_half_an_hour_off_matters(
    ttl: float, renewed: float
) -> None:
    reservation = OwnReservation(100.0, ttl, [], None)
    assert reservation.renew_at == 100 + renewed
    assert reservation.expires == 100 + ttl
