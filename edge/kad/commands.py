"""Peer routing has no command of its own: `dht find` asks it, `status` shows it."""

COMMANDS = ()
