"""What the stand-in NVRTC has Python do, in the process that asks: libnvrtc/nvrtc.cpp runs this file by its path."""
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

_FOLDER = str(pathlib.Path(__file__).resolve().parent.parent)
sys.path.insert(0, _FOLDER)
try:
    from standin import compiler
finally:
    sys.path.remove(_FOLDER)

_OK, _INVALID_OPTION, _COMPILATION, _INTERNAL_ERROR = b"0", b"5", b"6", b"11"        # nvrtcResult


def compiled(text, options, expressions, header_names, headers):
    """(nvrtcResult, log, cubin, "expression<TAB>kernel's name" a line), all bytes."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in zip(header_names, headers):
                pathlib.Path(folder, name).write_text(content)
            path, names = compiler.shared_object(text, [*options, *([f"-I{folder}"] if headers else [])], expressions)
        listed = "".join(f"{expression}\t{name}\n" for expression, name in names.items())
        return _OK, b"", _stripped(path), listed.encode()
    except compiler.OptionError as error:
        return _INVALID_OPTION, str(error).encode(), b"", b""
    except compiler.CompileError as error:
        return _COMPILATION, str(error).encode(), b"", b""
    except Exception:                                            # C++ asks: NVRTC's log is the way to say it
        return _INTERNAL_ERROR, traceback.format_exc().encode(), b"", b""


def _stripped(path):
    """A shared object without what debuggers want, as small as a cubin; kept beside it."""
    small = path.with_suffix(".cubin")
    if not small.exists():
        fresh = small.with_name(f"{small.name}.{os.getpid()}.{os.urandom(4).hex()}")
        subprocess.run(["strip", "-o", str(fresh), str(path)], check=True)
        fresh.replace(small)
    return small.read_bytes()
