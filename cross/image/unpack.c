/* Unpacks what cross/hosted/pack.c has packed, by the decoder of the LZMA SDK.
 *
 * It writes to where the result shall be, which is its dictionary too, and takes 16 KB besides.
 */
#include <LzmaDec.h>
#include <stdlib.h>

#include "unpack.h"

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

enum Unpacked
unpack(const unsigned char *packed, size_t packed_size, unsigned char *plain, size_t size)
{
    static const ISzAlloc memory = {allocate, release};
    static const Byte properties[LZMA_PROPS_SIZE] = UNPACK_PROPERTIES;
    SizeT read = packed_size, written = size;
    ELzmaStatus status;
    SRes result = LzmaDecode(plain, &written, packed, &read, properties, sizeof properties,
                             LZMA_FINISH_END, &status, &memory);

    if (result == SZ_ERROR_MEM)
        return UNPACK_NO_MEMORY;
    if (result != SZ_OK || status != LZMA_STATUS_FINISHED_WITH_MARK || written != size || read != packed_size)
        return UNPACK_DAMAGED;
    return UNPACKED;
}
