"""Virtual environments for the commands in this folder: made with the standard library alone, so that a bare machine
with Python, gcc and git will do.
"""
import json
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def run(*command, **options):
    """Prints a command and runs it in the repository; stops the program when it fails."""
    print("$", shlex.join(str(part) for part in command), flush=True)
    try:
        result = subprocess.run([str(part) for part in command], cwd=ROOT, **options)
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {shlex.join(str(part) for part in command)}")
    if result.returncode:
        sys.exit(f"failed with status {result.returncode}: {shlex.join(str(part) for part in command)}")


def make(folder, with_packages=False):
    """The Python of the virtual environment `folder`, made if it is not there; with the packages of this one, too."""
    if sys.version_info < OLDEST:
        sys.exit(f"thalweg needs Python 3.11 or newer, this is {sys.version.split()[0]} ({sys.executable})")
    python = pathlib.Path(folder) / "bin" / "python"
    if not python.exists():
        inherits = ["--system-site-packages"] if with_packages else []
        run(sys.executable, "-m", "venv", "--without-pip", *inherits, folder)
    if with_packages and sys.prefix != sys.base_prefix:
        # This Python is of an environment itself, and the packages of that are no system's.
        own = next(pathlib.Path(folder).glob("lib/python*/site-packages"))
        (own / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    if subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True).returncode:   # new or interrupted
        _add_pip(python)
    return python


def require_headers():
    """Stops with a clear message where extension modules cannot be compiled."""
    header = pathlib.Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        sys.exit(f"{header} is missing, without which nothing can be compiled: apt install python3-dev")


def _add_pip(python):
    """Installs pip: Python's own copy, or PyPI's where the system has taken that out (Debian without python3-venv)."""
    bundled = subprocess.run([str(python), "-m", "ensurepip"], capture_output=True, text=True)
    if bundled.returncode == 0:
        return
    print("Python comes without ensurepip; pip comes from PyPI", flush=True)
    with urllib.request.urlopen("https://pypi.org/pypi/pip/json") as answer:
        files = json.load(answer)["urls"]
    url = next(f["url"] for f in files if f["packagetype"] == "bdist_wheel")
    with tempfile.TemporaryDirectory() as folder:
        wheel = pathlib.Path(folder, url.rpartition("/")[2])
        with urllib.request.urlopen(url) as answer:
            wheel.write_bytes(answer.read())
        run(python, wheel / "pip", "install", "--quiet", wheel)
