/* ChaCha20-Poly1305 (RFC 8439) in one pass, for _primitives.c: BoringSSL's code in assembly on the
 * processors that cross/boringssl.py builds it for (AEAD_BORINGSSL), libsodium's in C elsewhere.
 */
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#define TAG crypto_aead_chacha20poly1305_ietf_ABYTES

#ifdef AEAD_BORINGSSL

/* In: key, block counter, nonce, and for sealing more ciphertext that the tag covers. Out: the tag,
 * in the first bytes (BoringSSL, crypto/cipher_extra/internal.h). */
typedef struct {
    _Alignas(16) unsigned char key[32];
    uint32_t counter;
    unsigned char nonce[12];
    const unsigned char *more;
    size_t more_size;
} Pass;

void chacha20_poly1305_seal(unsigned char *out, const unsigned char *in, size_t size,
                            const unsigned char *aad, size_t aad_size, Pass *pass);
void chacha20_poly1305_open(unsigned char *out, const unsigned char *in, size_t size,
                            const unsigned char *aad, size_t aad_size, Pass *pass);

#ifdef __x86_64__

#include <cpuid.h>

/* What the assembly reads: cpuid's leaf 1, edx and ecx, and leaf 7, ebx and ecx. */
__attribute__((visibility("hidden"))) uint32_t OPENSSL_ia32cap_P[4];

/* Whether this processor has SSE4.1, which all of the assembly needs. */
static int
aead_can(void)
{
    const uint32_t avx2 = 1u << 5;
    uint32_t eax, ebx, ecx, edx, saved = 0;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return 0;
    OPENSSL_ia32cap_P[0] = edx;
    OPENSSL_ia32cap_P[1] = ecx;
    if (ecx & bit_OSXSAVE)
        __asm__("xgetbv" : "=a"(saved), "=d"(edx) : "c"(0));
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        OPENSSL_ia32cap_P[2] = (saved & 6) == 6 ? ebx : ebx & ~avx2; /* the kernel keeps XMM and YMM */
        OPENSSL_ia32cap_P[3] = ecx;
    }
    return (OPENSSL_ia32cap_P[1] & bit_SSE4_1) != 0;
}

#else /* aarch64, where NEON is part of the architecture */

static int
aead_can(void)
{
    return 1;
}

#endif

static int aead_fast;

static void
aead_choose(void)
{
    aead_fast = aead_can();
}

#define AEAD_LIBRARY (aead_fast ? ", BoringSSL's ChaCha20-Poly1305" : "")

static Pass
aead_pass(const unsigned char nonce[12], const unsigned char key[32])
{
    Pass pass = {0};

    memcpy(pass.key, key, sizeof pass.key);
    memcpy(pass.nonce, nonce, sizeof pass.nonce);
    return pass;
}

#else

#define aead_fast 0
#define AEAD_LIBRARY ""

static void
aead_choose(void)
{
}

#endif

/* Writes `size` bytes and TAG more to `out`. */
static void
aead_seal(unsigned char *out, const unsigned char *in, size_t size, const unsigned char *aad,
          size_t aad_size, const unsigned char nonce[12], const unsigned char key[32])
{
#ifdef AEAD_BORINGSSL
    if (aead_fast) {
        Pass pass = aead_pass(nonce, key);

        chacha20_poly1305_seal(out, in, size, aad, aad_size, &pass);
        memcpy(out + size, &pass, TAG);
        sodium_memzero(&pass, sizeof pass);
        return;
    }
#endif
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, size, aad, aad_size, NULL, nonce, key);
}

/* Writes `size` bytes to `out` and returns 0; -1, and no plaintext there, if the tag is wrong. `in` has
 * TAG bytes more. */
static int
aead_open(unsigned char *out, const unsigned char *in, size_t size, const unsigned char *aad,
          size_t aad_size, const unsigned char nonce[12], const unsigned char key[32])
{
#ifdef AEAD_BORINGSSL
    if (aead_fast) {
        Pass pass = aead_pass(nonce, key);
        int wrong;

        chacha20_poly1305_open(out, in, size, aad, aad_size, &pass);
        wrong = sodium_memcmp(&pass, in + size, TAG);
        sodium_memzero(&pass, sizeof pass);
        if (wrong)
            memset(out, 0, size);
        return wrong;
    }
#endif
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, size + TAG, aad, aad_size,
                                                     nonce, key);
}
