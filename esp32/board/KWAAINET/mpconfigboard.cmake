# A generic ESP32 of 4 MiB, whose modules lie in flash: in the firmware, or in its ROMFS partition.

# MicroPython 1.25 has no file of what all boards with this chip share, as later ones have.
set(IDF_TARGET esp32)
set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    boards/sdkconfig.ble
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
