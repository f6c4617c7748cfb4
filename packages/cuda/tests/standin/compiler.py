"""From CUDA-C text to a shared object for this processor: options, g++, and a folder that keeps what was compiled.

Needs the standard library alone.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from . import source

CUEMU = pathlib.Path(__file__).resolve().parent / "cuemu"
FLAGS = ["-std=c++20", "-fPIC", "-fvisibility=hidden", "-fno-semantic-interposition", "-fno-strict-aliasing",
         "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-exceptions", "-fno-rtti",
         "-fno-threadsafe-statics", "-fno-asynchronous-unwind-tables", "-fstack-clash-protection",
         "-U_FORTIFY_SOURCE"]
if os.environ.get("THALWEG_EMULATOR_PORTABLE"):     # fibres as on processors that fibre.h has no assembly for
    FLAGS.append("-DCUEMU_PORTABLE")
LINKED = ["-fno-weak", "-shared", "-nostdlib", f"-Wl,--version-script={CUEMU / 'exports.map'}"]
QUIET = ["-w", "-fmax-errors=20"]           # a kernel's text is NVRTC's to warn about
LARGE = 30_000                              # characters; from there on -O1, as -O2 takes many seconds
# Options of NVRTC that say nothing to a processor. They stand alone or with "=value", those of SPACED with the next
# word.
IGNORED = {"--gpu-architecture", "-arch", "--std", "-std", "--fmad", "-fmad", "--use_fast_math", "-use_fast_math",
           "--generate-line-info", "-lineinfo", "--device-debug", "-G", "--maxrregcount", "-maxrregcount",
           "--restrict", "-restrict", "--device-as-default-execution-space", "-default-device", "--ftz", "-ftz",
           "--extra-device-vectorization", "-extra-device-vectorization", "--disable-warnings", "-w", "--minimal",
           "-minimal", "--ptxas-options", "-Xptxas", "--prec-div", "-prec-div", "--prec-sqrt", "-prec-sqrt",
           "--diag-suppress", "-diag-suppress", "--split-compile", "-split-compile"}
SPACED = {"-arch", "-std", "-maxrregcount", "-Xptxas", "--ptxas-options"}
MEANING = {"-D": "-D", "--define-macro": "-D", "-I": "-I", "--include-path": "-I", "-U": "-U",
           "--undefine-macro": "-U"}


class CompileError(Exception):
    """A text that cannot be compiled; the message is the compiler's log."""


class OptionError(CompileError):
    """An option that NVRTC does not know, or that has no meaning here."""


def shared_object(text, options=(), expressions=()):
    """Compiles CUDA-C `text` if the cache does not have it.

    Parameters
    ----------
    options : NVRTC's
    expressions : names of template instantiations that are wanted as kernels, such as "scale<float>"

    Returns
    -------
    path, names : the shared object; {expression or name: the kernel's name in it}
    """
    flags = flags_of(options)
    folder = cache()
    key = repr((text, flags, tuple(expressions), _headers(text, flags)))
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.so"
    try:
        translated, names = source.translate(text, expressions)
    except source.UnsupportedSource as error:
        raise CompileError(str(error)) from error
    if not path.exists():
        _compile(translated, flags, path)
    return path, names


def flags_of(options):
    """g++'s flags for NVRTC's `options`: those that define names and name folders."""
    flags, options = [], [str(option) for option in options]
    while options:
        option = options.pop(0)
        name, equals, value = _parts(option)
        if name in MEANING:
            if not equals and not options:
                raise OptionError(f"option {option} stands without a value")
            flags.append(MEANING[name] + (value if equals else options.pop(0)))
        elif option.partition("=")[0] not in IGNORED:
            raise OptionError(f"unrecognized option {option}: the emulator knows -D, -U, -I and those of NVRTC's "
                              "options that do not change the meaning of a source")
        elif option in SPACED:
            options = options[1:]
    return flags


def _parts(option):
    """Name, whether a value follows in the same word, and that value."""
    return option.partition("=") if option.startswith("--") else (option[:2], option[2:], option[2:])


def cache():
    """The folder of this state of the emulator and of g++, with the runtime in it."""
    default = os.path.join(tempfile.gettempdir(), f"thalweg-emulator-{os.getuid()}")
    folder = pathlib.Path(os.environ.get("THALWEG_EMULATOR_CACHE") or default, _state())
    if not (folder / "runtime.o").exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        run_gxx([*FLAGS, "-O2", "-g1", "-Wall", "-Wextra", "-c", CUEMU / "runtime.cpp"], folder / "runtime.o")
    return folder


def _state(known=[]):  # noqa: B006 - found once per process
    """A short hash of what every module is made with."""
    if not known:
        gxx = shutil.which("g++")
        if gxx is None:
            raise CompileError("g++ is not on PATH: the emulator compiles kernels with it (apt install g++)")
        hasher = hashlib.sha256(repr((gxx, os.stat(gxx).st_mtime_ns, FLAGS)).encode())
        for path in [*sorted(CUEMU.iterdir()), pathlib.Path(source.__file__), pathlib.Path(__file__)]:
            hasher.update(path.read_bytes())
        known.append(hasher.hexdigest()[:12])
    return known[0]


def _headers(text, flags):
    """The contents of the headers that a text takes from -I folders, as they too decide what comes out."""
    folders = [pathlib.Path(flag[2:]) for flag in flags if flag.startswith("-I")]
    found, texts = {}, [text]
    while texts:
        for name in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', texts.pop(), re.MULTILINE):
            path = next((folder / name for folder in folders if (folder / name).is_file()), None)
            if path and path not in found:
                found[path] = path.read_text(errors="replace")
                texts.append(found[path])
    return sorted((str(path), content) for path, content in found.items())


def _compile(translated, flags, path):
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        kernel = pathlib.Path(folder, "kernel.cu")
        kernel.write_text(f'#include "{CUEMU / "cuemu.h"}"\n{_macros(flags)}#line 1 "kernel.cu"\n{translated}')
        level = "-O2" if len(translated) < LARGE else "-O1"
        folders = [flag for flag in flags if flag.startswith("-I")]
        run_gxx([*FLAGS, *QUIET, level, "-g1", *LINKED, *folders, "-x", "c++", kernel,
                 "-x", "none", path.parent / "runtime.o", "-lm", "-lc", "-lgcc"], path)


def _macros(flags):
    """-D and -U as lines of the source, behind the emulator's own headers, which have names of their own."""
    lines = []
    for flag in flags:
        name, equals, value = flag[2:].partition("=")
        if flag.startswith("-D"):
            lines.append(f"#define {name} {value if equals else 1}\n")
        elif flag.startswith("-U"):
            lines.append(f"#undef {name}\n")
    return "".join(lines)


def run_gxx(arguments, output):
    """Runs g++ into a file beside `output`, then puts it there at once: several processes may compile the same."""
    fresh = output.with_name(f"{output.name}.{os.getpid()}.{os.urandom(4).hex()}")
    result = subprocess.run(["g++", *map(str, arguments), "-o", str(fresh)], capture_output=True, text=True)
    if result.returncode:
        fresh.unlink(missing_ok=True)
        raise CompileError(result.stderr.strip() or f"g++ failed with status {result.returncode}")
    fresh.replace(output)
