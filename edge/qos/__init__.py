"""How the node gives way to others on the line: marks, caps, back-off, hooks."""
