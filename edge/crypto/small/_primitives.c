/* What edge.crypto.small needs in C: edge/crypto/interface.py states the terms, libsodium does the work
 * (and BoringSSL some of it, see _aead.h).
 *
 * sodium_init() is not called: it would start libsodium's random number generator, which aborts
 * where there is neither getrandom() nor /dev/urandom. Randomness comes from os.urandom; what
 * remains of the start is the choice of the fastest code for this processor.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sodium.h>
#include <stddef.h>
#include <structmember.h>

#include "_aead.h"

#define LAST_COUNTER UINT64_MAX /* Noise keeps it for rekeying */

int _sodium_runtime_get_cpu_features(void);
int _crypto_onetimeauth_poly1305_pick_best_implementation(void);
int _crypto_scalarmult_curve25519_pick_best_implementation(void);
int _crypto_stream_chacha20_pick_best_implementation(void);

static PyObject *crypto_error, *decrypt_error, *nonce_exhausted;

typedef struct {
    PyObject_HEAD
    uint64_t counter;
    unsigned char key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
} CipherState;

static int
cipherstate_init(CipherState *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", NULL};
    Py_buffer key;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*", names, &key))
        return -1;
    if (key.len != sizeof self->key)
        PyErr_Format(crypto_error, "a cipher key is 32 bytes, not %zd", key.len);
    else {
        memcpy(self->key, key.buf, sizeof self->key);
        self->counter = 0;
    }
    PyBuffer_Release(&key);
    return PyErr_Occurred() ? -1 : 0;
}

static void
cipherstate_dealloc(CipherState *self)
{
    PyTypeObject *type = Py_TYPE(self);

    sodium_memzero(self->key, sizeof self->key);
    type->tp_free(self);
    Py_DECREF(type);
}

/* (input, out[, aad]) as buffers; the caller releases what `got` says it has. */
typedef struct {
    Py_buffer input, out, aad;
    int got;
} Call;

static void
release(Call *call)
{
    Py_buffer *buffers[] = {&call->input, &call->out, &call->aad};

    while (call->got > 0)
        PyBuffer_Release(buffers[--call->got]);
}

static int
take(Call *call, PyObject *const *args, Py_ssize_t count)
{
    memset(call, 0, sizeof *call);
    if (count != 2 && count != 3) {
        PyErr_SetString(PyExc_TypeError, "expected (input, out, aad=b\"\")");
        return -1;
    }
    if (PyObject_GetBuffer(args[0], &call->input, PyBUF_SIMPLE) < 0)
        return -1;
    call->got = 1;
    if (PyObject_GetBuffer(args[1], &call->out, PyBUF_WRITABLE) < 0)
        return -1;
    call->got = 2;
    if (count == 3) {
        if (PyObject_GetBuffer(args[2], &call->aad, PyBUF_SIMPLE) < 0)
            return -1;
        call->got = 3;
    }
    return 0;
}

/* The next nonce: four zero bytes, then the counter, little-endian (Noise, 12.3). */
static int
next_nonce(CipherState *self, unsigned char nonce[12])
{
    int i;

    if (self->counter == LAST_COUNTER) {
        PyErr_SetString(nonce_exhausted, "all 2**64 - 1 counters of this key are used");
        return -1;
    }
    memset(nonce, 0, 4);
    for (i = 0; i < 8; i++)
        nonce[4 + i] = (unsigned char)(self->counter >> (8 * i));
    return 0;
}

static PyObject *
seal_into(CipherState *self, PyObject *const *args, Py_ssize_t count)
{
    unsigned char nonce[12];
    PyObject *result = NULL;
    Call call;

    if (take(&call, args, count) < 0 || next_nonce(self, nonce) < 0)
        goto done;
    if (call.out.len < call.input.len + (Py_ssize_t)TAG) {
        PyErr_Format(PyExc_ValueError, "%zd bytes do not fit into %zd with their tag",
                     call.input.len, call.out.len);
        goto done;
    }
    aead_seal(call.out.buf, call.input.buf, (size_t)call.input.len, call.aad.buf,
              (size_t)call.aad.len, nonce, self->key);
    self->counter++;
    result = PyLong_FromSsize_t(call.input.len + (Py_ssize_t)TAG);
done:
    release(&call);
    return result;
}

static PyObject *
open_into(CipherState *self, PyObject *const *args, Py_ssize_t count)
{
    unsigned char nonce[12];
    PyObject *result = NULL;
    Call call;

    if (take(&call, args, count) < 0 || next_nonce(self, nonce) < 0)
        goto done;
    if (call.input.len < (Py_ssize_t)TAG) {
        PyErr_Format(decrypt_error, "a ciphertext of %zd bytes has no tag", call.input.len);
        goto done;
    }
    if (call.out.len < call.input.len - (Py_ssize_t)TAG) {
        PyErr_Format(PyExc_ValueError, "%zd bytes do not fit into %zd",
                     call.input.len - (Py_ssize_t)TAG, call.out.len);
        goto done;
    }
    if (aead_open(call.out.buf, call.input.buf, (size_t)call.input.len - TAG, call.aad.buf,
                  (size_t)call.aad.len, nonce, self->key) != 0) {
        PyErr_SetString(decrypt_error, "the ciphertext's tag does not match");
        goto done;
    }
    self->counter++;
    result = PyLong_FromSsize_t(call.input.len - (Py_ssize_t)TAG);
done:
    release(&call);
    return result;
}

static PyMethodDef cipherstate_methods[] = {
    {"seal_into", (PyCFunction)(void (*)(void))seal_into, METH_FASTCALL, NULL},
    {"open_into", (PyCFunction)(void (*)(void))open_into, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef cipherstate_members[] = {
    {"_counter", T_ULONGLONG, offsetof(CipherState, counter), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot cipherstate_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, cipherstate_init},
    {Py_tp_dealloc, cipherstate_dealloc},
    {Py_tp_methods, cipherstate_methods},
    {Py_tp_members, cipherstate_members},
    {0, NULL},
};

static PyType_Spec cipherstate_spec = {
    .name = "edge.crypto.small._primitives.CipherState",
    .basicsize = sizeof(CipherState),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = cipherstate_slots,
};

/* Whether `given` is `size` bytes long; the callers above this module have checked what peers send. */
static int
is_long(const Py_buffer *given, Py_ssize_t size)
{
    if (given->len == size)
        return 1;
    PyErr_Format(crypto_error, "expected %zd bytes, not %zd", size, given->len);
    return 0;
}

static PyObject *
hkdf2(PyObject *module, PyObject *args)
{
    unsigned char secret[32], first[32], block[33], second[32];
    crypto_auth_hmacsha256_state state;
    PyObject *result;
    Py_buffer key, ikm;

    if (!PyArg_ParseTuple(args, "y*y*", &key, &ikm))
        return NULL;
    crypto_auth_hmacsha256_init(&state, key.buf, (size_t)key.len);
    crypto_auth_hmacsha256_update(&state, ikm.buf, (unsigned long long)ikm.len);
    crypto_auth_hmacsha256_final(&state, secret);
    block[0] = 1;
    crypto_auth_hmacsha256(first, block, 1, secret);
    memcpy(block, first, 32);
    block[32] = 2;
    crypto_auth_hmacsha256(second, block, 33, secret);
    result = Py_BuildValue("y#y#", first, (Py_ssize_t)32, second, (Py_ssize_t)32);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(first, sizeof first);
    sodium_memzero(second, sizeof second);
    sodium_memzero(block, sizeof block);
    PyBuffer_Release(&key);
    PyBuffer_Release(&ikm);
    return result;
}

static PyObject *
x25519_public(PyObject *module, PyObject *args)
{
    unsigned char public[32];
    PyObject *result = NULL;
    Py_buffer private;

    if (!PyArg_ParseTuple(args, "y*", &private))
        return NULL;
    if (is_long(&private, 32)) {
        crypto_scalarmult_curve25519_base(public, private.buf);
        result = PyBytes_FromStringAndSize((char *)public, 32);
    }
    PyBuffer_Release(&private);
    return result;
}

static PyObject *
x25519(PyObject *module, PyObject *args)
{
    unsigned char shared[32];
    PyObject *result = NULL;
    Py_buffer private, remote;

    if (!PyArg_ParseTuple(args, "y*y*", &private, &remote))
        return NULL;
    if (is_long(&private, 32) && is_long(&remote, 32)) {
        if (crypto_scalarmult_curve25519(shared, private.buf, remote.buf) == 0)
            result = PyBytes_FromStringAndSize((char *)shared, 32);
        else
            result = Py_NewRef(Py_None);
    }
    sodium_memzero(shared, sizeof shared);
    PyBuffer_Release(&private);
    PyBuffer_Release(&remote);
    return result;
}

static PyObject *
ed25519_public(PyObject *module, PyObject *args)
{
    unsigned char public[32], secret[64];
    PyObject *result = NULL;
    Py_buffer seed;

    if (!PyArg_ParseTuple(args, "y*", &seed))
        return NULL;
    if (is_long(&seed, 32)) {
        crypto_sign_ed25519_seed_keypair(public, secret, seed.buf);
        result = PyBytes_FromStringAndSize((char *)public, 32);
        sodium_memzero(secret, sizeof secret);
    }
    PyBuffer_Release(&seed);
    return result;
}

static PyObject *
ed25519_sign(PyObject *module, PyObject *args)
{
    unsigned char secret[64], signature[64]; /* libsodium's secret key: seed and public key */
    PyObject *result = NULL;
    Py_buffer seed, public, message;

    if (!PyArg_ParseTuple(args, "y*y*y*", &seed, &public, &message))
        return NULL;
    if (is_long(&seed, 32) && is_long(&public, 32)) {
        memcpy(secret, seed.buf, 32);
        memcpy(secret + 32, public.buf, 32);
        crypto_sign_ed25519_detached(signature, NULL, message.buf, (unsigned long long)message.len,
                                     secret);
        result = PyBytes_FromStringAndSize((char *)signature, 64);
        sodium_memzero(secret, sizeof secret);
    }
    PyBuffer_Release(&seed);
    PyBuffer_Release(&public);
    PyBuffer_Release(&message);
    return result;
}

static PyObject *
ed25519_verify(PyObject *module, PyObject *args)
{
    PyObject *result = NULL;
    Py_buffer key, message, signature;

    if (!PyArg_ParseTuple(args, "y*y*y*", &key, &message, &signature))
        return NULL;
    if (is_long(&key, 32) && is_long(&signature, 64))
        result = PyBool_FromLong(crypto_sign_ed25519_verify_detached(
                                     signature.buf, message.buf, (unsigned long long)message.len,
                                     key.buf) == 0);
    PyBuffer_Release(&key);
    PyBuffer_Release(&message);
    PyBuffer_Release(&signature);
    return result;
}

static PyMethodDef functions[] = {
    {"hkdf2", hkdf2, METH_VARARGS, NULL},
    {"x25519_public", x25519_public, METH_VARARGS, NULL},
    {"x25519", x25519, METH_VARARGS, NULL},
    {"ed25519_public", ed25519_public, METH_VARARGS, NULL},
    {"ed25519_sign", ed25519_sign, METH_VARARGS, NULL},
    {"ed25519_verify", ed25519_verify, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
import_errors(void)
{
    PyObject *errors = PyImport_ImportModule("edge.crypto.errors");

    if (errors == NULL)
        return -1;
    crypto_error = PyObject_GetAttrString(errors, "CryptoError");
    decrypt_error = PyObject_GetAttrString(errors, "DecryptError");
    nonce_exhausted = PyObject_GetAttrString(errors, "NonceExhausted");
    Py_DECREF(errors);
    return crypto_error && decrypt_error && nonce_exhausted ? 0 : -1;
}

static int
execute(PyObject *module)
{
    PyObject *type, *library;
    int failed;

    if (import_errors() < 0)
        return -1;
    _sodium_runtime_get_cpu_features();
    _crypto_onetimeauth_poly1305_pick_best_implementation();
    _crypto_scalarmult_curve25519_pick_best_implementation();
    _crypto_stream_chacha20_pick_best_implementation();
    aead_choose();
    library = PyUnicode_FromFormat("libsodium " SODIUM_VERSION_STRING "%s", AEAD_LIBRARY);
    failed = PyModule_AddObjectRef(module, "LIBRARY", library);
    Py_XDECREF(library);
    if (failed)
        return -1;
    type = PyType_FromSpec(&cipherstate_spec);
    if (type == NULL)
        return -1;
    failed = PyModule_AddObjectRef(module, "CipherState", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edge.crypto.small._primitives",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__primitives(void)
{
    return PyModuleDef_Init(&definition);
}
