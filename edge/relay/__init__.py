"""Circuit relay v2: the service, and the client that keeps reservations on other relays."""
