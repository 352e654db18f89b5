"""DCUtR has no command: `status` shows it, [dcutr] configures it."""

COMMANDS = ()
