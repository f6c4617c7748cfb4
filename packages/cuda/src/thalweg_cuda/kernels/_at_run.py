"""Kernels whose axes are known in the run only: what they launch is decided on the host, call by call."""
from thalweg.devices import KernelRequest
from thalweg_cuda.work import Work


def at_run(request, target, prepare, inputs, workspace_bytes=0, inplace=()):
    """The Work of `prepare` once those of `inputs` are there that are no constants; the host reads them.

    workspace_bytes : the most that any values need
    """
    missing = tuple(k for k in inputs if request.values.get(k) is None)

    def commands(values):
        r = request
        known = KernelRequest(r.op_type, r.attrs, r.in_shapes, r.out_shapes, r.in_dtypes, r.out_dtypes,
                              {**r.values, **values}, r.declaration, r.name)
        return prepare(known, target).commands
    return Work(commands, workspace_bytes, inplace=inplace, host_inputs=missing)
