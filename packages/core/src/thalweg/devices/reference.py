"""The device REFERENCE: runs the NumPy bodies of the op declarations, which define what every op means.

Every other device is tested against it. It is never chosen by default: `with tf.device("/device:REFERENCE:0")`.
"""
import numpy as np

from .plugin import DevicePlugin


class ReferenceDevice:
    """A device in Python whose memory is the host's."""

    def count(self):
        return 1

    def alloc(self, i, nbytes, align):
        """Host memory, aligned."""
        raw = np.empty(nbytes + align, np.uint8)
        offset = -raw.ctypes.data % align
        return raw[offset:offset + nbytes]

    def free(self, i, buf):
        """NumPy frees the memory with the last reference."""

    def h2d(self, i, buf, src, stream=None):
        buf[:] = src

    def d2h(self, i, dst, buf, stream=None):
        dst[:] = buf

    def kernel(self, i, op):
        """The op's reference body, for arrays that have bytes; core runs bodies of strings itself."""
        declaration = op.declaration
        if declaration is None:
            op.refusal = f"{op.op_type} has no declaration"
        elif op.op_type.startswith("_"):
            op.refusal = f"{op.op_type} is made by plans; the reference runs the ops that it stands for"
        elif {7, 20, 21} & {*op.in_dtypes, *op.out_dtypes}:
            op.refusal = f"{op.op_type} has operands that are Python objects"
        else:
            return lambda inputs, outputs, **options: _run(declaration, op.attrs, inputs, outputs, options)
        return None


def _run(declaration, attrs, inputs, outputs, options):
    with np.errstate(all="ignore"):                      # inf and NaN are results, as on every device
        results = declaration.reference(inputs, attrs, **options)
    for target, result in zip(outputs, results, strict=True):
        result = np.asarray(result)
        if result.shape != target.shape:
            raise ValueError(f"the reference body of {declaration.name} gave shape {result.shape}, "
                             f"its shape rule says {target.shape}")
        target[...] = result


plugin = DevicePlugin("REFERENCE", ReferenceDevice, priority=10, host_memory=True, dl_type=1)
