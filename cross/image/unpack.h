/* Groups of modules, packed by LZMA: see unpack.c. */
#include <stddef.h>

/* As the LZMA format has them: lc=3, lp=0, pb=0, and a dictionary of 1 MiB, more than any group. */
#define UNPACK_PROPERTIES {3, 0, 0, 0x10, 0}

enum Unpacked { UNPACKED, UNPACK_DAMAGED, UNPACK_NO_MEMORY };

/* Unpacks the `packed_size` bytes at `packed` to the `size` bytes at `plain`, which they must give. */
enum Unpacked unpack(const unsigned char *packed, size_t packed_size, unsigned char *plain, size_t size);
