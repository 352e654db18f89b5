# Types for Cython; edge/crypto/native.py is the code. Uncompiled it runs as it is.
cimport cython


cdef class CipherState:
    cdef object _open
    cdef object _seal
    cdef bytearray _nonce
    cdef public unsigned long long _counter

    @cython.locals(size=Py_ssize_t)
    cpdef Py_ssize_t seal_into(self, object plaintext, object out, bytes aad=*) except -1
    @cython.locals(size=Py_ssize_t)
    cpdef Py_ssize_t open_into(self, object ciphertext, object out, bytes aad=*) except -1
