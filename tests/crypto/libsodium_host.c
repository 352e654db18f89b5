/* The four private functions of libsodium that _primitives.c calls, for a libsodium that is a shared
 * library and does not show them. The first does all of the choosing, by sodium_init().
 */
#include <sodium.h>

int
_sodium_runtime_get_cpu_features(void)
{
    return sodium_init();
}

int
_crypto_onetimeauth_poly1305_pick_best_implementation(void)
{
    return 0;
}

int
_crypto_scalarmult_curve25519_pick_best_implementation(void)
{
    return 0;
}

int
_crypto_stream_chacha20_pick_best_implementation(void)
{
    return 0;
}
