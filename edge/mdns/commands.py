"""Discovery has no command of its own: `status` shows it, [mdns] configures it."""

COMMANDS = ()
