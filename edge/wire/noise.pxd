# Types for Cython; edge/wire/noise.py is the code. Uncompiled it runs as it is.
cimport cython


cdef class Channel:
    cdef object _receive
    cdef object _send

    @cython.locals(length=Py_ssize_t, stop=Py_ssize_t, behind=Py_ssize_t)
    cpdef tuple open_frames(self, object source, Py_ssize_t start, Py_ssize_t end, object target, Py_ssize_t pos)
    @cython.locals(length=Py_ssize_t, behind=Py_ssize_t)
    cpdef Py_ssize_t seal_frame(self, object source, Py_ssize_t start, Py_ssize_t end, object target, Py_ssize_t pos)
