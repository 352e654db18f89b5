"""AutoNAT has no command of its own: `status` shows it, [autonat] configures it."""

COMMANDS = ()
