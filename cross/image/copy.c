/* memcpy() and memmove(): those of zig's run time, built for size, copy byte by byte. Every payload of
 * a peer is copied a few times on its way.
 *
 * Compiled with -fno-builtin, so that no loop in here becomes a call of what it implements; the
 * copies of a fixed size are instructions.
 */
#include <stddef.h>
#include <stdint.h>

#define BLOCK 32

typedef uint32_t __attribute__((may_alias)) Word;

/* A block is read as a whole before any of it is written: the two may overlap. */
static inline void
block(unsigned char *to, const unsigned char *from)
{
    unsigned char held[BLOCK];

    __builtin_memcpy(held, from, BLOCK);
    __builtin_memcpy(to, held, BLOCK);
}

/* For processors that need several instructions to read a word which is not aligned. */
static inline void
words(unsigned char *to, const unsigned char *from)
{
    Word *out = (Word *)to;
    const Word *in = (const Word *)from;
    const Word a = in[0], b = in[1], c = in[2], d = in[3], e = in[4], f = in[5], g = in[6], h = in[7];

    out[0] = a, out[1] = b, out[2] = c, out[3] = d, out[4] = e, out[5] = f, out[6] = g, out[7] = h;
}

static inline int
aligned(const unsigned char *to, const unsigned char *from)
{
    return (((uintptr_t)to | (uintptr_t)from) & (sizeof(Word) - 1)) == 0;
}

static inline void
forwards(unsigned char *to, const unsigned char *from, size_t size)
{
    if (aligned(to, from))
        for (; size >= BLOCK; size -= BLOCK, to += BLOCK, from += BLOCK)
            words(to, from);
    for (; size >= BLOCK; size -= BLOCK, to += BLOCK, from += BLOCK)
        block(to, from);
    while (size-- > 0)
        *to++ = *from++;
}

static inline void
backwards(unsigned char *to, const unsigned char *from, size_t size)
{
    for (; size >= BLOCK; size -= BLOCK)
        block(to + size - BLOCK, from + size - BLOCK);
    while (size-- > 0)
        to[size] = from[size];
}

void *
memcpy(void *restrict to, const void *restrict from, size_t size)
{
#if defined(__x86_64__) && !defined(COPY_PORTABLY)
    void *out = to;

    if (size >= 512) { /* the processor's own way is the fastest, once it has started */
        __asm__ volatile("rep movsb" : "+D"(out), "+S"(from), "+c"(size) : : "memory");
        return to;
    }
#endif
    forwards(to, from, size);
    return to;
}

void *
memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size)
        return memcpy(to, from, size);
    backwards(to, from, size);
    return to;
}
