# The unix port as near to an ESP32 as it comes: 32 bits, no libraries beside it.

FROZEN_MANIFEST =

MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_SSL = 0
MICROPY_PY_TERMIOS = 0
MICROPY_PY_THREAD = 0
MICROPY_USE_READLINE = 0
MICROPY_VFS_FAT = 0
MICROPY_VFS_LFS1 = 0

# What standin.c stands in front of.
LDFLAGS_EXTRA += -Wl,--wrap=gc_alloc,--wrap=gc_realloc,--wrap=mp_hal_ticks_ms
LDFLAGS_EXTRA += -Wl,--wrap=socket,--wrap=accept,--wrap=close
