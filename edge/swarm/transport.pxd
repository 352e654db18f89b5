# Types for Cython; edge/swarm/transport.py is the code. Uncompiled it runs as it is.
cimport cython


cdef class Traffic:
    cdef public long long received
    cdef public long long sent


cdef class SocketTransport:
    cdef object _loop
    cdef readonly object sock
    cdef Traffic _traffic
    cdef bytearray _backlog
    cdef bint _paused
    cdef bint _closed
    cdef object _receiver

    @cython.locals(sent=Py_ssize_t)
    cpdef write(self, object data)
    @cython.locals(length=Py_ssize_t)
    cpdef _readable(self)
    cpdef _flush(self)
