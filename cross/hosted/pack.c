/* Packs a group of modules for cross/image/unpack.c, from standard input onto standard output.
 *
 * It runs on the build machine. The encoder is of the same source as the decoder: a liblzma of another
 * version may pack in another way, and the same commit shall give the same file.
 */
#include <LzmaEnc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../image/unpack.h"

enum { MOST = 1 << 20, EFFORT = 1 << 12 };

static void *
allocate(ISzAllocPtr self, size_t size)
{
    return malloc(size);
}

static void
release(ISzAllocPtr self, void *address)
{
    free(address);
}

int
main(void)
{
    static const ISzAlloc memory = {allocate, release};
    static const Byte expected[] = UNPACK_PROPERTIES;
    static Byte plain[MOST + 1], packed[2 * MOST];
    const SizeT size = fread(plain, 1, sizeof plain, stdin);
    Byte header[LZMA_PROPS_SIZE];
    SizeT packed_size = sizeof packed, header_size = sizeof header;
    CLzmaEncProps properties;

    if (ferror(stdin) || size > MOST)
        return 2;
    LzmaEncProps_Init(&properties);
    properties.level = 9;
    properties.lc = 3;
    properties.lp = properties.pb = 0; /* byte code and its constants are aligned to nothing */
    properties.dictSize = MOST;
    properties.fb = 273;
    properties.mc = EFFORT;
    properties.numThreads = 1;
    if (LzmaEncode(packed, &packed_size, plain, size, &properties, header, &header_size, 1, NULL,
                   &memory, &memory) != SZ_OK ||
        memcmp(header, expected, sizeof expected) != 0)
        return 1;
    return fwrite(packed, 1, packed_size, stdout) == packed_size && fflush(stdout) == 0 ? 0 : 1;
}
