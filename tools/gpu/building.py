"""Makes the environment of tools/gpu_day: FOLDER/venv, with everything installed for the Python that runs this.

    python tools/gpu/building.py FOLDER [--wheels WHEELS] [--rehearse]

It has the packages of that Python too. Wheels come from tools/gpu/wheels.py: made here, or before and elsewhere, and
then nothing is fetched; where WHEELS has none of thalweg it is built from its sources, with what that Python has.
"""
import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import venvs

OURS = ("core", "nn", "io", "cuda")
SANITIZER = "nvidia-cuda-sanitizer-api"
_IN_WHEELS = """
import glob, importlib.util
spec = importlib.util.find_spec("nvidia")
for place in spec.submodule_search_locations if spec else ():
    print(*glob.glob(f"{place}/*/bin/compute-sanitizer"), sep="\\n")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--rehearse", action="store_true", help="nothing of NVIDIA's is installed")
    args = parser.parse_args()
    os.environ["THALWEG_BUILD_JOBS"] = str(os.cpu_count())
    python = venvs.make(args.folder / "venv", with_packages=True)
    wheels = (args.wheels or args.folder / "wheels").resolve()
    if not args.wheels:
        venvs.run(python, "tools/gpu/wheels.py", wheels, *(["--rehearse"] if args.rehearse else []))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--find-links", wheels]
    offline = ["--no-index"]
    # By force: the version is that of the last time, what is in it may not be.
    venvs.run(*pip, *offline, "--force-reinstall", "--no-deps", *ours(wheels))
    extras = "" if args.wheels or args.rehearse else "[cublas,cudnn]"
    wanted = ["thalweg-core[testing]", "thalweg-nn", "thalweg-io", f"thalweg-cuda{extras}"]
    has_wheel = any(wheels.glob(f"{SANITIZER.replace('-', '_')}-*.whl"))
    if has_wheel and not args.rehearse and compute_sanitizer(python) is None:
        wanted.append(SANITIZER)
    if args.rehearse:
        wanted.append("ml_dtypes")       # computes what the doubles of NVIDIA's libraries do
    venvs.run(*pip, *(offline if args.wheels else []), *wanted)


def ours(wheels):
    """What is to be installed of thalweg: names, of which there are wheels, or sources."""
    if all(any(wheels.glob(f"thalweg_{name}-*.whl")) for name in OURS):
        return [f"thalweg-{name}" for name in OURS]
    return ["--no-build-isolation", *(venvs.ROOT / "packages" / name for name in OURS)]


def compute_sanitizer(python):
    """The path of compute-sanitizer: of this machine, of a package that `python` has, or in a toolkit; None."""
    toolkits = sorted(map(str, Path("/usr/local").glob("cuda*/bin/compute-sanitizer")))
    packages = subprocess.run([str(python), "-c", _IN_WHEELS], stdout=subprocess.PIPE, text=True, check=True).stdout
    return next(iter(filter(None, [shutil.which("compute-sanitizer"), *packages.split("\n"), *toolkits])), None)


if __name__ == "__main__":
    main()
