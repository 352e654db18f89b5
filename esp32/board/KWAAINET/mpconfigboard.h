#define MICROPY_HW_BOARD_NAME "KwaaiNet relay"
#define MICROPY_HW_MCU_NAME "ESP32"

// Modules are run where they lie in the partition `romfs`.
#define MICROPY_VFS_ROM (1)
