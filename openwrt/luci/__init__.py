"""What the LuCI app takes from the node: the options of its form, from the schema."""
