/* What the binary's C code does for TLS and for hashes, without Python, to be counted:
 *
 *   client PORT ROOTS SIZE    shake hands with localhost, read SIZE bytes
 *   client sha256 WHOSE SIZE  hash SIZE bytes by cpython, libsodium or mbedtls
 */
#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <sodium/crypto_hash_sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "_roots.h"

void *python_hashlib_Hacl_Hash_SHA2_malloc_256(void);
int python_hashlib_Hacl_Hash_SHA2_update_256(void *state, unsigned char *data, uint32_t size);
void python_hashlib_Hacl_Hash_SHA2_digest_256(void *state, unsigned char *out);

static unsigned char buffer[65536];
static const char *roots;

static int
random_bytes(void *context, unsigned char *out, size_t size)
{
    return getrandom(out, size, 0) == (ssize_t)size ? 0 : -1;
}

psa_status_t
mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *out,
                                size_t size, size_t *got)
{
    *got = size;
    return random_bytes(NULL, out, size);
}

static int
receive(void *context, unsigned char *out, size_t size)
{
    return (int)read(*(int *)context, out, size);
}

static int
send_now(void *context, const unsigned char *data, size_t size)
{
    return (int)write(*(int *)context, data, size);
}

static int
find_issuers(void *context, const mbedtls_x509_crt *child, mbedtls_x509_crt **issuers)
{
    mbedtls_x509_crt *found = calloc(1, sizeof *found);

    look_up(roots, &child->issuer_raw, found);
    if (found->raw.p == NULL) {
        free(found);
        found = NULL;
    }
    *issuers = found;
    return 0;
}

static int
talk(int port, long size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    int file = socket(AF_INET, SOCK_STREAM, 0), said;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(file, (struct sockaddr *)&at, sizeof at) < 0)
        return 1;
    psa_crypto_init();
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&config, random_bytes, NULL);
    mbedtls_ssl_conf_ca_cb(&config, find_issuers, NULL);
    mbedtls_ssl_setup(&ssl, &config);
    mbedtls_ssl_set_hostname(&ssl, "localhost");
    mbedtls_ssl_set_bio(&ssl, &file, send_now, receive, NULL);
    said = mbedtls_ssl_handshake(&ssl);
    while (said >= 0 && size > 0) {
        said = mbedtls_ssl_read(&ssl, buffer, sizeof buffer);
        size -= said;
    }
    if (said < 0)
        fprintf(stderr, "mbedTLS: -%#x\n", -said);
    return said < 0;
}

static void
hash(const char *whose, long size)
{
    void *cpython = python_hashlib_Hacl_Hash_SHA2_malloc_256();
    crypto_hash_sha256_state sodium;
    mbedtls_sha256_context mbedtls;

    crypto_hash_sha256_init(&sodium);
    mbedtls_sha256_init(&mbedtls);
    mbedtls_sha256_starts(&mbedtls, 0);
    for (; size > 0; size -= sizeof buffer)
        if (strcmp(whose, "cpython") == 0)
            python_hashlib_Hacl_Hash_SHA2_update_256(cpython, buffer, sizeof buffer);
        else if (strcmp(whose, "libsodium") == 0)
            crypto_hash_sha256_update(&sodium, buffer, sizeof buffer);
        else
            mbedtls_sha256_update(&mbedtls, buffer, sizeof buffer);
    python_hashlib_Hacl_Hash_SHA2_digest_256(cpython, buffer);
}

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    if (strcmp(argv[1], "sha256") == 0) {
        hash(argv[2], atol(argv[3]));
        return 0;
    }
    roots = argv[2];
    return talk(atoi(argv[1]), atol(argv[3]));
}
