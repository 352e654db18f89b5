# Types for Cython; edge/wire/connection.py is the code. Uncompiled it runs as it is.
cimport cython

from edge.wire.noise cimport Channel
from edge.wire.yamux cimport Session, Stream


cdef class Buffers:
    cdef readonly Py_ssize_t size
    cdef readonly bytearray plain
    cdef readonly object rx_view
    cdef readonly object plain_view
    cdef readonly object tx_view


cdef class Connection:
    cdef public Buffers _buffers
    cdef Channel _channel
    cdef list _pending
    cdef bytes _residue
    cdef bytes _tail
    cdef readonly Session session

    @cython.locals(held=Py_ssize_t)
    cpdef get_buffer(self)
    @cython.locals(buffers=Buffers, start=Py_ssize_t, end=Py_ssize_t, pos=Py_ssize_t, opened=Py_ssize_t, stop=Py_ssize_t, rest=Py_ssize_t, frames=Py_ssize_t)
    cpdef list buffer_updated(self, Py_ssize_t length)
    @cython.locals(buffers=Buffers, pending=list, first=Py_ssize_t, stop=Py_ssize_t)
    cpdef forward(self, Stream stream, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(buffers=Buffers, pending=list, room=Py_ssize_t, pos=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, stop=Py_ssize_t)
    cpdef data_to_send(self)
    cdef _queue_control(self)
