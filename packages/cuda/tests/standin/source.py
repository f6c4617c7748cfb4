"""What of a CUDA-C source has to be said otherwise for a C++ compiler: which kernels it has, and shared memory.

Nothing else of the text is touched, and no line moves, so the compiler's messages name the source's own lines.
"""
import re

_COMMENTS_AND_STRINGS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_KERNEL = re.compile(r"\b__global__\b")
_NAME = re.compile(r"(\w+)\s*\(")
_DYNAMIC = re.compile(r"\bextern\s+__shared__\s+((?:__align__\s*\([^)]*\)\s*)?)([\w\s:]+?[\s*])(\w+)\s*\[\s*\]")
_SHARED = re.compile(r"\b__shared__\b")


class UnsupportedSource(Exception):
    """A source that NVRTC would take and the emulator cannot run as it should; the message has the line."""


class Kernel:
    """A `__global__` function of a source: its name, the arguments of its __launch_bounds__, where its body lies."""

    def __init__(self, name, bounds, begin, end, is_template):
        self.name, self.bounds, self.begin, self.end, self.is_template = name, bounds, begin, end, is_template


def translate(text, expressions=()):
    """The C++ text of a CUDA-C `text`, and the names under which its kernels are found.

    `expressions` are names of template instantiations ("scale<float>") that are wanted as kernels too.
    """
    code = blank(text)
    kernels = find_kernels(code)
    edits = [*_dynamic_arrays(code), *_static_arrays(code, kernels)]
    for begin, end, replacement in sorted(edits, reverse=True):
        text = text[:begin] + replacement + text[end:]
    wanted = {kernel.name: kernel.name for kernel in kernels if not kernel.is_template}
    bounds = {kernel.name: kernel.bounds for kernel in kernels}
    lines = [f'CUEMU_KERNEL({name}, "{name}", {name}{_after_comma(bounds[name])})' for name in wanted]
    for i, expression in enumerate(expressions):
        base = re.match(r"\s*&?\s*(\w+)", expression).group(1)
        if base in wanted and "<" not in expression:
            continue
        name = f"{base}_{i}"
        wanted[expression] = name
        function = expression.strip().lstrip("&")
        lines.append(f'CUEMU_KERNEL({name}, "{name}", ({function}){_after_comma(bounds.get(base))})')
    return text + "\n" + "\n".join(lines) + "\n", wanted


def blank(text):
    """The text with comments and strings blanked out, of the same length."""
    return _COMMENTS_AND_STRINGS.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def find_kernels(code):
    """The definitions of kernels in blanked text; a declaration without a body is none."""
    kernels = {}
    for found in _KERNEL.finditer(code):
        at, bounds = _skip_bounds(code, found.end())
        name = _NAME.search(code, at)
        if name is None:
            continue
        after = _matching(code, name.end() - 1, "()")
        body = re.compile(r"\s*\{").match(code, after)
        if body:
            start = code.rfind(";", 0, found.start()), code.rfind("}", 0, found.start())
            is_template = "template" in code[max(start) + 1:found.start()]
            end = _matching(code, body.end() - 1, "{}")
            kernels.setdefault(name.group(1), Kernel(name.group(1), bounds, body.end(), end, is_template))
    return list(kernels.values())


def _skip_bounds(code, at):
    """Past a __launch_bounds__ between __global__ and the kernel's name, with its argument text."""
    found = re.compile(r"[\w\s]*?__launch_bounds__\s*\(").match(code, at)
    if found is None:
        return at, None
    end = _matching(code, found.end() - 1, "()")
    return end, code[found.end():end - 1].strip()


def _matching(code, at, pair):
    """Past the bracket that closes the one at `at`; the end of the text if none does."""
    depth = 0
    for found in re.compile(f"[{re.escape(pair)}]").finditer(code, at):
        depth += 1 if found.group() == pair[0] else -1
        if depth == 0:
            return found.end()
    return len(code)


def _dynamic_arrays(code):
    """`extern __shared__ T name[]` becomes a pointer to the block's dynamic shared memory."""
    for found in _DYNAMIC.finditer(code):
        kind, name = found.group(2).strip(), found.group(3)
        depth = code.count("{", 0, found.start()) - code.count("}", 0, found.start())
        if depth:
            new = f"{kind} *const {name} = ({kind} *)cuemu_dynamic_shared"
        else:                           # at file scope a name for the pointer, which changes from launch to launch
            new = f"static {kind} *const &{name} = reinterpret_cast<{kind} *const &>(cuemu_dynamic_shared)"
        yield found.start(), found.end(), new + "\n" * found.group().count("\n")


def _static_arrays(code, kernels):
    """`__shared__` names the kernel that it stands in, or none: then every launch of the module has that memory."""
    dynamic = [found.span() for found in _DYNAMIC.finditer(code)]
    for found in _SHARED.finditer(code):
        if any(begin <= found.start() < end for begin, end in dynamic):
            continue
        if _is_in_template(code, found.start()):
            line = code.count("\n", 0, found.start()) + 1
            raise UnsupportedSource(f"kernel.cu:{line}: __shared__ in a template cannot be emulated: g++ would put it "
                                    "where no barrier is checked; declare it in the kernel and pass its address")
        owners = [kernel.name for kernel in kernels if kernel.begin <= found.start() < kernel.end]
        yield found.start(), found.end(), f"cuemu_shared_of({owners[0] if owners else 'cuemu_any'})"


def _is_in_template(code, at):
    """Whether one of the open brackets before `at` is the body of a template."""
    depth = 0
    for found in reversed(list(re.compile(r"[{}]").finditer(code, 0, at))):
        depth += 1 if found.group() == "}" else -1
        if depth < 0:
            depth = 0
            begin = max(code.rfind(mark, 0, found.start()) for mark in ";{}")
            if re.search(r"\btemplate\s*<", code[begin + 1:found.start()]):
                return True
    return False


def _after_comma(bounds):
    return f", {bounds}" if bounds else ""
