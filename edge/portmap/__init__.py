"""Ports that the gateway forwards to this node."""
