/* The certificates of a PEM file that have a certain subject, found without keeping the others.
 *
 * A bundle has some 150 certificates in 220 KB, which would take over half a megabyte once parsed. Of
 * each, no more is looked at here than its subject, byte by byte as the issuer that is wanted: that is
 * how Go's crypto/x509 compares names, too. One certificate is in memory at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/asn1.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 4096
#define CERTIFICATE 8192 /* bytes of DER; a longer one is none */
#define ALIKE 8          /* certificates with one subject: of one authority, with different keys */

static const char marker[] = "-----BEGIN CERTIFICATE-----";

typedef struct {
    size_t matched;  /* characters of the marker, while outside */
    int inside, bits; /* of base64, not yet bytes */
    uint32_t held;
    size_t size;
    unsigned seen, found;
    unsigned char der[CERTIFICATE], piece[PIECE];
} Scan;

static int
base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Skips a DER value with `tag`. */
static int
skip(unsigned char **p, const unsigned char *end, int tag)
{
    size_t size;
    int failed = mbedtls_asn1_get_tag(p, end, &size, tag);

    if (!failed)
        *p += size;
    return failed;
}

/* Whether the certificate in `scan` has the subject `wanted`, which starts with its tag (RFC 5280, 4.1). */
static int
is_of(Scan *scan, const mbedtls_x509_buf *wanted)
{
    const int sequence = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
    const int version = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED;
    unsigned char *p = scan->der, *end = scan->der + scan->size, *subject;
    size_t size;

    if (mbedtls_asn1_get_tag(&p, end, &size, sequence)     /* the certificate */
        || mbedtls_asn1_get_tag(&p, end, &size, sequence)) /* what of it is signed */
        return 0;
    if (p < end && *p == version && skip(&p, end, version))
        return 0;
    if (skip(&p, end, MBEDTLS_ASN1_INTEGER) /* serial number */
        || skip(&p, end, sequence)          /* algorithm of the signature */
        || skip(&p, end, sequence)          /* issuer */
        || skip(&p, end, sequence))         /* validity */
        return 0;
    subject = p;
    return !skip(&p, end, sequence) && (size_t)(p - subject) == wanted->len
           && memcmp(subject, wanted->p, wanted->len) == 0;
}

/* One that cannot be parsed, because of its kind of key for instance, is none. */
static void
finish(Scan *scan, const mbedtls_x509_buf *wanted, mbedtls_x509_crt *found)
{
    scan->inside = 0;
    scan->seen++;
    if (scan->size <= CERTIFICATE && scan->found < ALIKE && is_of(scan, wanted)
        && mbedtls_x509_crt_parse_der(found, scan->der, scan->size) == 0)
        scan->found++;
}

static void
take_character(Scan *scan, unsigned char c)
{
    int value = base64_value(c);

    if (value < 0)
        return; /* ends of lines and padding */
    scan->held = scan->held << 6 | (uint32_t)value;
    scan->bits += 6;
    if (scan->bits < 8)
        return;
    scan->bits -= 8;
    if (scan->size < CERTIFICATE)
        scan->der[scan->size] = (unsigned char)(scan->held >> scan->bits);
    scan->size += scan->size <= CERTIFICATE;
}

static void
match_marker(Scan *scan, unsigned char c)
{
    if (c == marker[scan->matched])
        scan->matched++;
    else if (c != '-')
        scan->matched = 0;
    else if (scan->matched != 5) /* else it is the sixth of six dashes */
        scan->matched = 1;
    if (marker[scan->matched] == 0) {
        scan->matched = scan->size = 0;
        scan->bits = 0;
        scan->inside = 1;
    }
}

static ssize_t
read_piece(int file, Scan *scan)
{
    ssize_t size;

    do
        size = read(file, scan->piece, sizeof scan->piece);
    while (size < 0 && errno == EINTR);
    return size;
}

/* Appends to `found` the certificates of the file at `path` with the subject `wanted`. 0, or the errno;
 * ENOMSG: there is no certificate in it.
 */
static int
look_up(const char *path, const mbedtls_x509_buf *wanted, mbedtls_x509_crt *found)
{
    int file = open(path, O_RDONLY | O_CLOEXEC), failed = 0;
    Scan *scan = file < 0 ? NULL : calloc(1, sizeof *scan);
    ssize_t size, i;

    if (scan == NULL) {
        failed = file < 0 ? errno : ENOMEM;
        goto done;
    }
    while ((size = read_piece(file, scan)) > 0)
        for (i = 0; i < size; i++)
            if (!scan->inside)
                match_marker(scan, scan->piece[i]);
            else if (scan->piece[i] == '-')
                finish(scan, wanted, found);
            else
                take_character(scan, scan->piece[i]);
    if (size < 0)
        failed = errno;
    else if (scan->seen == 0)
        failed = ENOMSG;
done:
    free(scan);
    if (file >= 0)
        close(file);
    return failed;
}
