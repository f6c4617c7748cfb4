"""The CPU device: kernels in Cython and C, the thread pool, the BLAS.

Kernels know arrays only; they import nothing of ours but `thalweg.devices.abi` and `thalweg.cpu._*`.
"""
