# Types for Cython; edge/wire/yamux.py is the code. Uncompiled it runs as it is.
cimport cython


cdef class Stream:
    cdef readonly unsigned int id
    cdef public bint acknowledged
    cdef public object owner
    cdef public long long send_window
    cdef public long long receive_window
    cdef public long long window
    cdef public bint local_closed
    cdef public bint remote_closed
    cdef long long _widest
    cdef long long _consumed
    cdef long long _credited_at
    cdef object __weakref__


cdef class Session:
    cdef long long _body_left
    cdef Stream _body_stream
    cdef int _body_flags
    cdef bint _client
    cdef unsigned int _next_id
    cdef int _unacknowledged
    cdef int _pings
    cdef long long _late
    cdef public bint going_away
    cdef public int inbound
    cdef public int max_streams
    cdef public long long max_window
    cdef public int nuisances
    cdef public bytearray out
    cdef public int refused
    cdef public long long rtt
    cdef public dict streams

    @cython.locals(events=list, version=int, kind=int, flags=int, most_out=Py_ssize_t)
    cpdef tuple receive(self, bytearray buf, Py_ssize_t start, Py_ssize_t end)
    cdef Py_ssize_t _body(self, list events, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(stream=Stream)
    cdef _data(self, list events, int flags, unsigned int stream_id, long long length, Py_ssize_t start)
    @cython.locals(stream=Stream)
    cdef _window_update(self, list events, int flags, unsigned int stream_id, long long delta)
    @cython.locals(stream=Stream)
    cdef _weigh(self, int flags, unsigned int stream_id, long long length)
    @cython.locals(late=cython.longlong)
    cdef _belated(self, long long length)
    @cython.locals(stream=Stream)
    cdef Stream _flagged(self, list events, int flags, unsigned int stream_id)
    cdef _end(self, Stream stream)
    cpdef write_header(self, Stream stream, long long length, object buf, Py_ssize_t pos)
    cpdef Py_ssize_t send(self, Stream stream, object data)
    cpdef consumed(self, Stream stream, long long length, long long now, bint grow=*)
