# Types for Cython; edge/swarm/connection.py is the code. Uncompiled it runs as it is.
cimport cython

from edge.wire cimport connection as framing
from edge.wire cimport yamux


cdef class Connection:
    cdef object __weakref__
    cdef bint _dirty
    cdef Py_ssize_t _held
    cdef object _host
    cdef Py_ssize_t _info_size
    cdef readonly framing.Buffers _level
    cdef long long _pinged_at
    cdef readonly set _sources
    cdef Py_ssize_t _streams
    cdef Py_ssize_t _turn
    cdef object _upgrade
    cdef object _waiter
    cdef readonly framing.Connection _wire
    cdef public object closed
    cdef readonly bint direct
    cdef public object group
    cdef public bint heard
    cdef public double heard_at
    cdef public double idle_since
    cdef public object info
    cdef public int dialled_from
    cdef readonly bint initiator
    cdef public bint limited
    cdef readonly object load
    cdef readonly object local
    cdef readonly object loop
    cdef public double opened_at
    cdef public object peer
    cdef readonly object plain
    cdef public object remote
    cdef readonly object shared
    cdef public double stuck_since
    cdef readonly object transport

    cpdef get_buffer(self)
    @cython.locals(before=Py_ssize_t, began=double)
    cpdef buffer_updated(self, Py_ssize_t length)
    cpdef writable(self)
    cpdef Py_ssize_t send(self, yamux.Stream stream, object data) except -1
    cpdef forward(self, yamux.Stream stream, Py_ssize_t start, Py_ssize_t end)
    cpdef consumed(self, yamux.Stream stream, Py_ssize_t length, bint grow=*)
    cpdef touch(self)
    cpdef flush(self)
    @cython.locals(held=Py_ssize_t, streams=Py_ssize_t, more=Py_ssize_t, link=framing.Connection)
    cpdef settle(self)
    @cython.locals(kind=int, start=Py_ssize_t, end=Py_ssize_t, stream=yamux.Stream)
    cdef _dispatch(self, list events)
