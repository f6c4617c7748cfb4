"""Compiles every kernel of packages/cuda/tests/compiled/catalogue.py for the first card, on all processors.

    python tools/gpu/kernels.py [--ops Softplus ...] [--threads 16]

The images go where the device looks for them (THALWEG_CACHE), under the names that it gives them, so that processes
which come later find them there.
"""
import argparse
import os
import sys
from pathlib import Path

from thalweg import devices
from thalweg_cuda.compiler import CompileError, Compiler, Nvrtc
from thalweg_cuda.compiler.images import default_folder
from thalweg_cuda.device.cuda_device import opened_card

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "packages/cuda/tests/compiled"))

from catalogue import sources


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", nargs="+", help="the kernels of these op types only")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    if default_folder() is None:
        sys.exit("THALWEG_CACHE is empty: no image is kept, and nobody would find what is compiled here")
    device, reason = devices.find_device("CUDA", 0)
    if device is None:
        sys.exit(f"no card: {reason}")
    target = opened_card(0).target
    found = {source for source, op_types in sources(target).items() if not args.ops or op_types & set(args.ops)}
    compiler = Compiler(Nvrtc.load(), threads=args.threads)
    failed = list(filter(None, [_error(image) for image in [compiler.submit(s, target.capability) for s in found]]))
    print(*failed, sep="\n")
    print(f"{len(found)} sources: {compiler.n_compiled} compiled, {compiler.n_read} were there, {len(failed)} failed")
    sys.exit(bool(failed))


def _error(image):
    try:
        image.result()
    except CompileError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
