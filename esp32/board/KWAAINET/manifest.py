"""What is in the firmware beside MicroPython's own modules: the device, from `make esp32`."""

include("$(PORT_DIR)/boards/manifest.py")  # noqa: F821 - MicroPython's tools define both
freeze("$(BOARD_DIR)/../../../dist/esp32/frozen")  # noqa: F821
