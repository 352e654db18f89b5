/* TLS for edge.http in the static binary: a client's session over mbedTLS, without sockets.
 *
 * edge/http/tls.py states the terms, _mbedtls.h what mbedTLS consists of, _roots.h where the
 * trusted certificates are looked up. What fails is told as (kind, number): edge/http/small/__init__.py
 * makes the exception of it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stddef.h>
#include <sys/random.h>

#include "_roots.h"

#define WAITING (256 * 1024) /* the most that waits, in either direction, for the caller */

static const int suites[] = {
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};
static const char *protocols[] = {"http/1.1", NULL};

/* `given`: what was fed, NULL when all of it was taken. `failed`: what mbedTLS said, for good.
 * `ended`: the connection was closed; `short_of_more`: and mbedTLS wanted more of it.
 */
typedef struct {
    PyObject_HEAD
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    PyObject *error;
    char *roots;
    unsigned char *given, *out;
    size_t given_size, taken, out_size;
    int failed, roots_failed, ready, closed, ended, short_of_more;
} Session;

/* Randomness, of the kernel alone. */

static int
random_bytes(void *context, unsigned char *out, size_t size)
{
    ssize_t got;

    (void)context;
    for (; size > 0; out += got, size -= (size_t)got) {
        got = getrandom(out, size, 0);
        if (got < 0 && errno != EINTR)
            return MBEDTLS_ERR_SSL_NO_RNG;
        if (got < 0)
            got = 0;
    }
    return 0;
}

psa_status_t
mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *out,
                                size_t size, size_t *got)
{
    *got = size;
    return random_bytes(context, out, size) ? PSA_ERROR_INSUFFICIENT_ENTROPY : PSA_SUCCESS;
}

/* What mbedTLS calls */

static int
receive(void *context, unsigned char *out, size_t size)
{
    Session *self = context;
    size_t left = self->given_size - self->taken;

    if (left == 0) {
        self->short_of_more = self->ended;
        return self->ended ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (size > left)
        size = left;
    memcpy(out, self->given + self->taken, size);
    self->taken += size;
    return (int)size;
}

/* Makes `*buffer` larger by `size` bytes at its end; -1 if that is too much. */
static int
append(unsigned char **buffer, size_t *had, const unsigned char *data, size_t size)
{
    unsigned char *larger = NULL;

    if (size <= WAITING - *had)
        larger = realloc(*buffer, *had + size);
    if (larger == NULL)
        return -1;
    memcpy(larger + *had, data, size);
    *buffer = larger;
    *had += size;
    return 0;
}

static int
send_later(void *context, const unsigned char *data, size_t size)
{
    Session *self = context;

    if (append(&self->out, &self->out_size, data, size) < 0)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    return (int)size;
}

/* The trusted certificates that may have signed `child`, for mbedTLS to try and to free. */
static int
find_issuers(void *context, const mbedtls_x509_crt *child, mbedtls_x509_crt **issuers)
{
    Session *self = context;
    mbedtls_x509_crt *found = calloc(1, sizeof *found);

    if (found == NULL)
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    mbedtls_x509_crt_init(found);
    self->roots_failed = look_up(self->roots, &child->issuer_raw, found);
    if (found->raw.p == NULL) {
        mbedtls_x509_crt_free(found);
        free(found);
        found = NULL;
    }
    *issuers = found;
    return self->roots_failed ? MBEDTLS_ERR_X509_FILE_IO_ERROR : 0;
}

/* Errors */

static const char *
kind_of_certificate(uint32_t flags)
{
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return "issuer";
    if (flags & MBEDTLS_X509_BADCERT_FUTURE)
        return "future";
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        return "expired";
    return flags & MBEDTLS_X509_BADCERT_CN_MISMATCH ? "name" : "certificate";
}

/* Raises what self->error makes of the kind and its number: an errno, the flags of a certificate, an
 * alert, or mbedTLS's own, as positive.
 */
static PyObject *
fail(Session *self, int failed)
{
    const char *kind = "protocol";
    unsigned long number = (unsigned long)-failed;
    uint32_t flags = mbedtls_ssl_get_verify_result(&self->ssl);
    PyObject *error;

    self->failed = failed;
    if (failed == MBEDTLS_ERR_SSL_ALLOC_FAILED)
        return PyErr_NoMemory();
    if (self->roots_failed) {
        kind = "roots";
        number = (unsigned long)self->roots_failed;
    }
    else if (failed == MBEDTLS_ERR_SSL_CONN_EOF)
        kind = "truncated";
    else if (failed == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        kind = "alert";
        number = self->ssl.MBEDTLS_PRIVATE(in_msg)[1];
    }
    else if (failed == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED
             || failed == MBEDTLS_ERR_SSL_BAD_CERTIFICATE) {
        kind = kind_of_certificate(flags);
        number = flags;
    }
    error = PyObject_CallFunction(self->error, "sk", kind, number);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

/* Whether mbedTLS may be called; else an exception is set. */
static int
is_usable(Session *self, int ready)
{
    if (self->roots == NULL || (ready && !self->ready))
        PyErr_SetString(PyExc_ValueError, "the handshake is not done");
    else if (self->failed)
        fail(self, self->failed);
    else
        return 1;
    return 0;
}

/* Whether to call again: it has left something unread that it ignores. */
static int
is_to_go_on(const Session *self, int said)
{
    return said == MBEDTLS_ERR_SSL_WANT_READ && self->taken < self->given_size;
}

/* The type */

static int
set_up(Session *self, const char *host)
{
    mbedtls_ssl_config *config = &self->config;
    int failed = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT,
                                             MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

    if (failed)
        return failed;
    mbedtls_ssl_conf_rng(config, random_bytes, NULL);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_cb(config, find_issuers, self);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_groups(config, groups);
    if ((failed = mbedtls_ssl_conf_alpn_protocols(config, protocols)) != 0
        || (failed = mbedtls_ssl_setup(&self->ssl, config)) != 0)
        return failed;
    mbedtls_ssl_set_bio(&self->ssl, self, send_later, receive, NULL);
    return mbedtls_ssl_set_hostname(&self->ssl, host);
}

static PyObject *
session_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"host", "roots", "error", NULL};
    const char *host, *roots;
    PyObject *error;
    Session *self;
    int failed;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ssO", names, &host, &roots, &error))
        return NULL;
    self = (Session *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    mbedtls_ssl_config_init(&self->config);
    mbedtls_ssl_init(&self->ssl);
    self->error = Py_NewRef(error);
    self->roots = strdup(roots);
    failed = self->roots == NULL ? MBEDTLS_ERR_SSL_ALLOC_FAILED : set_up(self, host);
    if (failed) {
        fail(self, failed);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
session_dealloc(Session *self)
{
    PyTypeObject *type = Py_TYPE(self);

    mbedtls_ssl_free(&self->ssl);
    mbedtls_ssl_config_free(&self->config);
    Py_XDECREF(self->error);
    free(self->roots);
    free(self->given);
    free(self->out);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
handshake(Session *self, PyObject *unused)
{
    int said;

    if (self->ready)
        Py_RETURN_TRUE;
    if (!is_usable(self, 0))
        return NULL;
    do
        said = mbedtls_ssl_handshake(&self->ssl);
    while (is_to_go_on(self, said));
    if (said == MBEDTLS_ERR_SSL_WANT_READ)
        Py_RETURN_FALSE;
    if (said)
        return fail(self, said);
    self->ready = 1;
    Py_RETURN_TRUE;
}

static PyObject *
feed(Session *self, PyObject *data)
{
    Py_buffer buffer;
    int failed = 0;

    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    if (self->taken == self->given_size) {
        free(self->given);
        self->given = NULL;
        self->given_size = self->taken = 0;
    }
    if (buffer.len == 0)
        self->ended = 1;
    else
        failed = append(&self->given, &self->given_size, buffer.buf, (size_t)buffer.len);
    PyBuffer_Release(&buffer);
    if (failed) {
        PyErr_SetString(PyExc_ValueError, "too much was fed and not read");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Has mbedTLS decrypt the next record that has something in it. 1: there is one, 0: more is to be fed,
 * or `closed` is set; -1 with an exception set.
 */
static int
load(Session *self)
{
    int said;

    while (mbedtls_ssl_get_bytes_avail(&self->ssl) == 0) {
        said = mbedtls_ssl_read(&self->ssl, NULL, 0);
        if (said == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            self->closed = 1;
        if (self->closed || (said == MBEDTLS_ERR_SSL_WANT_READ && !is_to_go_on(self, said)))
            return 0;
        if (said == 0 && self->short_of_more) /* which mbedTLS tells like an empty record */
            said = MBEDTLS_ERR_SSL_CONN_EOF;
        if (said != 0 && said != MBEDTLS_ERR_SSL_WANT_READ) {
            fail(self, said);
            return -1;
        }
    }
    return 1;
}

static PyObject *
read_some(Session *self, PyObject *argument)
{
    Py_ssize_t size = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
    PyObject *data;
    size_t ready;
    int loaded;

    if (PyErr_Occurred())
        return NULL;
    if (size <= 0) {
        PyErr_SetString(PyExc_ValueError, "at least one byte is read");
        return NULL;
    }
    if (self->closed)
        return PyBytes_FromStringAndSize(NULL, 0);
    if (!is_usable(self, 1) || (loaded = load(self)) < 0)
        return NULL;
    if (!loaded && !self->closed)
        Py_RETURN_NONE;
    ready = self->closed ? 0 : mbedtls_ssl_get_bytes_avail(&self->ssl);
    data = PyBytes_FromStringAndSize(NULL, (size_t)size < ready ? size : (Py_ssize_t)ready);
    if (data != NULL && PyBytes_GET_SIZE(data) > 0)
        mbedtls_ssl_read(&self->ssl, (unsigned char *)PyBytes_AS_STRING(data),
                         (size_t)PyBytes_GET_SIZE(data));
    return data;
}

static PyObject *
write_all(Session *self, PyObject *data)
{
    Py_buffer buffer;
    size_t done = 0;
    int said = 0;

    if (!is_usable(self, 1) || PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    while (done < (size_t)buffer.len && said >= 0) {
        said = mbedtls_ssl_write(&self->ssl, (unsigned char *)buffer.buf + done,
                                 (size_t)buffer.len - done);
        if (said > 0)
            done += (size_t)said;
    }
    PyBuffer_Release(&buffer);
    if (said < 0)
        return fail(self, said);
    Py_RETURN_NONE;
}

static PyObject *
outgoing(Session *self, PyObject *unused)
{
    PyObject *data = PyBytes_FromStringAndSize((char *)self->out, (Py_ssize_t)self->out_size);

    if (data != NULL) {
        free(self->out);
        self->out = NULL;
        self->out_size = 0;
    }
    return data;
}

static PyMethodDef session_methods[] = {
    {"handshake", (PyCFunction)(void (*)(void))handshake, METH_NOARGS, NULL},
    {"feed", (PyCFunction)(void (*)(void))feed, METH_O, NULL},
    {"read", (PyCFunction)(void (*)(void))read_some, METH_O, NULL},
    {"write", (PyCFunction)(void (*)(void))write_all, METH_O, NULL},
    {"outgoing", (PyCFunction)(void (*)(void))outgoing, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_new, session_new},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_methods, session_methods},
    {0, NULL},
};

static PyType_Spec session_spec = {
    .name = "edge.http.small._tls.Session",
    .basicsize = sizeof(Session),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = session_slots,
};

static int
execute(PyObject *module)
{
    PyObject *type;
    int failed;

    if (psa_crypto_init() != PSA_SUCCESS) {
        PyErr_SetString(PyExc_ImportError, "mbedTLS cannot be started");
        return -1;
    }
    type = PyType_FromSpec(&session_spec);
    if (type == NULL)
        return -1;
    failed = PyModule_AddObjectRef(module, "Session", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edge.http.small._tls",
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__tls(void)
{
    return PyModuleDef_Init(&definition);
}
