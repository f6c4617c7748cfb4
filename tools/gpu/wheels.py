"""Makes a folder of wheels, for tools/gpu_day --wheels without a network and the Python that runs this.

    python3.12 tools/gpu/wheels.py FOLDER

In it are thalweg and PyCUDA with what they need, and compute-sanitizer (not with --rehearse). SciPy, pytest and NVRTC
are taken to be where the wheels go; pip download --dest FOLDER scipy pytest nvidia-cuda-nvrtc adds them.
"""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import venvs
from building import OURS, SANITIZER


def main():
    arguments = [word for word in sys.argv[1:] if word != "--rehearse"]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    folder = Path(arguments[0]).resolve()
    os.environ.setdefault("THALWEG_BUILD_JOBS", str(os.cpu_count()))
    # PyCUDA's sources are compiled one by one: meanwhile the other processors compile ours.
    pycuda = subprocess.Popen([sys.executable, venvs.ROOT / "tools/pycuda-wheel"], stdout=subprocess.DEVNULL)
    venvs.run(sys.executable, "tools/install-packages", "--into", folder, *OURS)
    if pycuda.wait():
        sys.exit(pycuda.returncode)
    more = [] if "--rehearse" in sys.argv else [SANITIZER]
    tags = "-py3-none-any", sys.implementation.cache_tag.replace("cpython-", "-cp")     # another Python's may be there
    ours = [path for path in folder.glob("*.whl") if path.name.startswith(("thalweg_", "pycuda-"))
            and any(tag in path.name for tag in tags)]
    venvs.run(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
              "--only-binary", ":all:", "--dest", folder, *ours, *more)


main()
