"""The device's own code, under MicroPython alone: ciphers now, beside the modules of edge.wire."""
