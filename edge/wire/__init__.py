"""Protocols as sans-IO state machines and codecs: bytes in, events and bytes out.

Nothing here does I/O, reads a clock or starts a task; time and randomness are arguments.
"""
