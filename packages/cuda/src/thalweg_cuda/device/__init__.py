"""The device CUDA as core sees it: cards with memory, copies, kernels and recordings. Imports PyCUDA nowhere itself.

    cuda_device    the PyDevice: one object for all cards
    card           one card: context, streams, pool, modules
    bound          a kernel's Work, ready to be called
"""
