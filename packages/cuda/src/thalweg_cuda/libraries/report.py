"""What `describe` tells of the libraries: versions, or why one is not used."""
from thalweg_cuda.shared_library import candidates, described, trouble

from . import cublaslt, cudnn

_LONGEST = 600                           # letters of a reason: a device tells at most 4 KB
_ROWS = (("cublaslt", "cuBLASLt", "cublasLt", cublaslt, "nvidia-cublas"),
         ("cudnn", "cuDNN", "cudnn", cudnn, "nvidia-cudnn-cu13"))


def report(reasons):
    """`(told, lacks)`: name -> version, or why it is not used; {"lacks": sentences} of those that are there, or {}.

    What is not installed, as it need not be, is not lacked. A library that no card has asked for yet is opened, so
    that what is told is true.

    reasons : dict              those of a card's `Libraries`
    """
    told, lacks = {}, []
    for name, shown, stem, module, package in _ROWS:
        if not candidates(stem, module.VERSIONS):
            told[shown] = f"not installed: {module.INSTALL}"
            continue
        why = (reasons.get(name) or trouble(stem, module.VERSIONS, module.INSTALL))[:_LONGEST]
        told[shown] = f"not used: {why}" if why else described(stem, module.VERSIONS, package)
        lacks += [f"{shown} is not used: {why}"] if why else []
    return told, {"lacks": lacks} if lacks else {}
