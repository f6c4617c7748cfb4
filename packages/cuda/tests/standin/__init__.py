"""CUDA without a GPU: CUDA-C on the processor (emulator), a driver and an NVRTC over it (driver). README.md says more.

Imports nothing of thalweg; never installed.
"""
