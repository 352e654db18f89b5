"""Blocks of models: computed here, and called at other nodes."""
