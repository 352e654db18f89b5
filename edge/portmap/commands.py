"""Port mapping has no command of its own: `status` shows it, [portmap] configures it."""

COMMANDS = ()
