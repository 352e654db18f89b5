"""The relay has no command of its own: `status` and `peers` show it, [relay] configures it."""

COMMANDS = ()
