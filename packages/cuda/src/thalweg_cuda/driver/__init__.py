"""CUDA's driver: PyCUDA for contexts, memory, streams, events, modules and launches; by ctypes what PyCUDA lacks.

PyCUDA is imported when the first card is opened, never before.
"""
