/* -1 where a plugin that is partly Python has left an exception set, which Cython then raises. */
#ifndef THALWEG_DEVICES_PENDING_H
#define THALWEG_DEVICES_PENDING_H
#include <Python.h>
static inline int thw_pending(void) { return PyErr_Occurred() ? -1 : 0; }
#endif
