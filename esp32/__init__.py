"""The relay for microcontrollers: MicroPython on the ESP32. docs/esp32.md is its page.

`manifest` lists what is on the device, `build` compiles it. `kw` is the package of the device: its
modules run there, under MicroPython, and not on the owner's computer.
"""
