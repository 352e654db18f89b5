# Types for Cython; edge/relay/circuit.py is the code. Uncompiled it runs as it is.
cimport cython

from edge.swarm.connection cimport Connection
from edge.wire cimport yamux


cdef class Leg:
    cdef object _buffers
    cdef Circuit _circuit
    cdef object _work
    cdef readonly object usage
    cdef readonly Connection connection
    cdef readonly yamux.Stream stream
    cdef public Leg other
    cdef public bytearray pending
    cdef public double stalled_since
    cdef public bint queued
    cdef public long long received
    cdef public bint ended

    @cython.locals(target=Leg, length=Py_ssize_t, sent=Py_ssize_t)
    cpdef data_received(self, Py_ssize_t start, Py_ssize_t end)
    cpdef bint hold(self, object data) except -1
    cpdef finished(self)
    cpdef writable(self)
    @cython.locals(sent=Py_ssize_t)
    cpdef Py_ssize_t send_pending(self, Py_ssize_t most) except -1
    cpdef settle(self)
    cdef bint _count(self, Py_ssize_t length) except -1


cdef class Circuit:
    cdef public object _on_end
    cdef readonly long long data
    cdef readonly Leg source
    cdef readonly Leg destination
    cdef public object ended
    cdef readonly double opened_at
    cdef readonly object shaper
