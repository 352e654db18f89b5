"""The commands about the cache."""

COMMANDS = ()
