"""From CUDA-C text to a shared object for this processor: options, g++, and a folder that keeps what was compiled.

    python cuemu_compiler.py SOURCE OUTPUT [--name EXPRESSION]... [NVRTC option]...

writes the stripped shared object to OUTPUT and the names of kernels to standard output, one "expression<TAB>name" a line;
status 1 and g++'s messages if the text cannot be compiled, 2 if an option is not known. Needs the standard library alone: NVRTC's stand-in calls it.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cuemu_source  # noqa: E402

FLAGS = ["-std=c++20", "-fPIC", "-fvisibility=hidden", "-fno-semantic-interposition", "-fno-strict-aliasing",
         "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-exceptions", "-fno-rtti",
         "-fno-threadsafe-statics", "-fno-asynchronous-unwind-tables", "-U_FORTIFY_SOURCE"]
QUIET = ["-w", "-fmax-errors=20"]           # a kernel's text is NVRTC's to warn about
LARGE = 30_000                              # characters; from there on -O1, as -O2 takes many seconds
# What NVRTC knows and has no meaning for a processor; each with "=value" or, where marked, the next option.
IGNORED = {"--gpu-architecture", "-arch", "--std", "-std", "--fmad", "-fmad", "--use_fast_math", "-use_fast_math",
           "--generate-line-info", "-lineinfo", "--device-debug", "-G", "--maxrregcount", "-maxrregcount", "--restrict",
           "-restrict", "--device-as-default-execution-space", "-default-device", "--extra-device-vectorization",
           "-extra-device-vectorization", "--disable-warnings", "-w", "--ptxas-options", "-Xptxas", "--ftz", "-ftz",
           "--prec-div", "-prec-div", "--prec-sqrt", "-prec-sqrt", "--diag-suppress", "-diag-suppress", "--minimal",
           "-minimal", "--split-compile", "-split-compile", "--no-source-include", "-no-source-include"}
JOINED = {"-D": "-D", "-I": "-I", "-U": "-U", "--define-macro=": "-D", "--include-path=": "-I", "--undefine-macro=": "-U"}
SPACED = {"--define-macro": "-D", "--include-path": "-I", "--undefine-macro": "-U", "-D": "-D", "-I": "-I", "-U": "-U"}


class CompileError(Exception):
    """A text that cannot be compiled; the message is the compiler's log."""


class OptionError(CompileError):
    """An option that NVRTC does not know, or that the emulator has no meaning for."""


def shared_object(text, options=(), expressions=()):
    """The path of the shared object made from CUDA-C `text`, compiled if the cache has none, and its kernels' names."""
    flags = flags_of(options)
    folder = cache()
    key = hashlib.sha256(repr((text, flags, tuple(expressions), _headers(text, flags))).encode()).hexdigest()[:24]
    path = folder / f"{key}.so"
    translated, names = cuemu_source.translate(text, expressions)
    if not path.exists():
        _compile(translated, flags, path)
    return path, names


def flags_of(options):
    """g++'s flags for NVRTC's `options`."""
    flags, options = [], [str(option) for option in options]
    while options:
        option = options.pop(0)
        joined = next((new + option[len(old):] for old, new in JOINED.items()
                       if option.startswith(old) and option != old), None)
        if joined:
            flags.append(joined)
        elif option in SPACED and options:
            flags.append(SPACED[option] + options.pop(0))
        elif option.partition("=")[0] not in IGNORED:
            raise OptionError(f"unrecognized option {option}: the emulator knows -D, -U, -I and NVRTC's options that "
                               "do not change the meaning of a source")
        elif option in ("-arch", "-std", "-maxrregcount", "-Xptxas"):
            options = options[1:]
    return flags


def cache():
    """The folder of this state of the emulator and of g++, with the runtime in it."""
    root = os.environ.get("THALWEG_EMULATOR_CACHE") or os.path.join(tempfile.gettempdir(), f"thalweg-emulator-{os.getuid()}")
    folder = pathlib.Path(root, _state())
    if not (folder / "runtime.o").exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        run_gxx([*FLAGS, "-O2", "-g1", "-Wall", "-Wextra", "-c", HERE / "cuemu_runtime.cpp"], folder / "runtime.o")
    return folder


def _state(known=[]):  # noqa: B006 - found once per process
    """A short hash of what every module is made with."""
    if not known:
        compiler = shutil.which("g++")
        if compiler is None:
            raise CompileError("g++ is not on PATH: the emulator compiles kernels with it (apt install g++)")
        hasher = hashlib.sha256(repr((compiler, os.stat(compiler).st_mtime_ns, FLAGS, LARGE)).encode())
        for path in sorted(HERE.glob("cuemu*")):
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
        source = pathlib.Path(folder, "kernel.cu")
        source.write_text('#include "cuemu.h"\n#line 1 "kernel.cu"\n' + translated)
        level = "-O2" if len(translated) < LARGE else "-O1"
        run_gxx([*FLAGS, *QUIET, level, "-g1", "-shared", "-nostdlib", f"-I{HERE}", *flags, "-x", "c++", source,
              "-x", "none", path.parent / "runtime.o", "-lm", "-lc"], path)


def run_gxx(arguments, output):
    """Runs g++ into a file beside `output`, then puts it there at once: several processes may compile the same."""
    fresh = output.with_name(f"{output.name}.{os.getpid()}.{os.urandom(4).hex()}")
    result = subprocess.run(["g++", *map(str, arguments), "-o", str(fresh)], capture_output=True, text=True)
    if result.returncode:
        fresh.unlink(missing_ok=True)
        raise CompileError(result.stderr.strip() or f"g++ failed with status {result.returncode}")
    fresh.replace(output)


def main(arguments):
    source, output, *rest = arguments
    names = [rest[i + 1] for i, option in enumerate(rest) if option == "--name"]
    options = [option for i, option in enumerate(rest) if option != "--name" and (i == 0 or rest[i - 1] != "--name")]
    try:
        path, found = shared_object(pathlib.Path(source).read_text(), options, names)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, OptionError) else 1
    subprocess.run(["strip", "-o", output, str(path)], check=True)
    for expression, name in found.items():
        print(f"{expression}\t{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
