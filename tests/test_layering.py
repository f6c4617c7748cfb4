"""Which way the arrows point (docs/architecture.md): every import of the packages, Python or Cython, is listed."""
import ast
import pathlib
import re

import pytest

PACKAGES = pathlib.Path(__file__).resolve().parent.parent / "packages"
CORE, IO = PACKAGES / "core/src/thalweg", PACKAGES / "io/src/thalweg_io"

# What each room of the core may import of ours.
ROOMS = {
    "framework": set(),
    "ops": {"framework"},
    "autodiff": {"framework", "ops"},
    "variables": {"framework", "ops"},
    "plan": {"framework"},
    "devices": {"framework"},
    "runtime": {"framework", "plan", "devices"},
    "cpu": {"framework", "devices"},                     # its Python; kernels may less, see below
    "testing": {"__init__", "framework", "ops", "autodiff", "variables", "plan", "devices", "runtime", "cpu"},
    "card": {"__init__", "framework", "ops", "devices", "_surface"},
    "_surface": {"_names", "framework"},
    "commands": {"__init__", "framework", "devices", "card", "_surface"},
    "__main__": {"commands"},
    "_names": set(),
    "_version": set(),
    "__init__": {"_surface", "autodiff", "framework"},    # autodiff brings the ops and completes If and While
}
EVERYWHERE = {"_version"}

# Arrows against the stream: conveniences of a graph's objects that need what stands on the graph. Never at the top of
# a file, so that importing a room never imports one further down.
UPSTREAM = {
    "framework": {"runtime": "tensor.eval() and operation.run() find the default session",
                  "thalweg_io": "graph.as_graph_def() and the like give messages of files, which io makes"},
    "variables": {"runtime": "variable.eval() and variable.load() find the default session",
                  "thalweg_io": "variable.to_proto() gives a message of files, which io makes"},
}

# What the other packages may import of the core; "__init__" is the public surface, `import thalweg as tf`.
OPEN_ROOMS = {"__init__", "framework", "ops", "autodiff", "variables", "runtime", "commands"}

# What each room of thalweg_io may import of that package; single files beside the rooms may import each other.
IO_ROOMS = {
    "records": set(),
    "arrays": set(),
    "images": set(),
    "examples": set(),
    "summaries": {"records"},
    "data": {"records"},
    "graphs": set(),
    "checkpoints": {"records", "graphs"},
    "graph_tools": {"graphs", "checkpoints"},
    "saved_model": {"graphs", "checkpoints"},
    "onnx": {"graphs", "graph_tools"},
    "commands": {"arrays", "checkpoints", "graphs", "graph_tools", "saved_model", "onnx"},
}
IO_UPSTREAM = {                                           # inside of functions only
    "graphs": {"checkpoints": "import_meta_graph gives a Saver, and says what a file's saver needs",
               "saved_model": "the graph in a file may be that of a SavedModel's folder"},
    "summaries": {"graphs": "FileWriter takes a graph and writes its message"},
    "graph_tools": {"saved_model": "freeze_graph reads a SavedModel's folder"},
}

KERNELS = {"thalweg.devices.abi"}                         # what Cython in cpu/ may import, besides thalweg.cpu._*


class Import:
    """One import statement: the file, the line, the module that it names, and whether it stands inside a function."""

    def __init__(self, path, line, module, is_inner):
        self.path, self.line, self.module, self.is_inner = path, line, module, is_inner

    @property
    def room(self):
        """The room that the file belongs to, or the package when it is not the core."""
        return self.path.relative_to(CORE).parts[0].partition(".")[0] if self.path.is_relative_to(CORE) else None

    @property
    def target(self):
        """The room of the core, or the package, that is imported."""
        root, _, rest = self.module.partition(".")
        return (rest.partition(".")[0] or "__init__") if root == "thalweg" else root

    def __str__(self):
        return f"{self.path.relative_to(PACKAGES)}:{self.line} imports {self.module}"


def imports_of(path):
    """Our imports in a Python file."""
    text = path.read_text()
    source = path.parents[[p.name for p in path.parents].index("src")]
    package = path.relative_to(source).parts[:-1]
    tree = ast.parse(text)
    outer = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        for module in modules_of(node, package):
            if module.partition(".")[0] in ("thalweg", "thalweg_nn", "thalweg_io"):
                yield Import(path, node.lineno, module, id(node) not in outer)


def modules_of(node, package):
    """The full names of the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    above = ".".join(package[:len(package) - node.level + 1]) if node.level else ""
    module = ".".join(filter(None, [above, node.module]))
    return [f"{module}.{alias.name}" for alias in node.names] if module in ("thalweg", above) else [module]


_CIMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import|c?import\s+(\S+))", re.MULTILINE)


def cimports_of(path):
    """Our imports in a Cython file."""
    text = path.read_text()
    for match in _CIMPORT.finditer(text):
        module = match[1] or match[2]
        if module.startswith("."):
            module = ".".join(["thalweg", *path.relative_to(CORE).parts[:-1], module.lstrip(".")])
        if module.startswith("thalweg"):
            yield Import(path, text.count("\n", 0, match.start()) + 1, module, False)


def all_imports():
    for path in sorted(PACKAGES.glob("*/src/**/*.py")):
        yield from imports_of(path)
    for path in sorted(CORE.rglob("*.p[yx][xd]")):
        yield from cimports_of(path)


def wrong_arrow(found):
    """Whether an import in the core is not on the lists above."""
    if found.target == found.room or found.target in ROOMS[found.room] | EVERYWHERE:
        return False
    return not (found.is_inner and found.target in UPSTREAM.get(found.room, ()))


def test_every_room_is_listed():
    rooms = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms == set(ROOMS)


def test_arrows_of_the_core():
    wrong = [str(i) for i in all_imports() if i.room and wrong_arrow(i)]
    assert not wrong, "\n".join(wrong)


def io_arrow(found):
    """(room of the file, what it imports) within thalweg_io; None where one of them is a file beside the rooms."""
    room, target = (path.partition(".")[0] for path in (found.path.relative_to(IO).parts[0],
                                                        found.module.removeprefix("thalweg_io.")))
    return (room, target) if room != target and room in IO_ROOMS and target in IO_ROOMS else None


def wrong_io_arrow(found):
    """Whether an import in thalweg_io is not on the lists above; files beside the rooms import no room."""
    arrow = io_arrow(found)
    if arrow is None:
        return found.path.parent == IO and found.module.partition(".")[2].partition(".")[0] in IO_ROOMS
    room, target = arrow
    return target not in IO_ROOMS[room] and not (found.is_inner and target in IO_UPSTREAM.get(room, ()))


def test_arrows_of_io():
    assert {path.name for path in IO.iterdir() if (path / "__init__.py").exists()} == set(IO_ROOMS)
    wrong = [str(i) for i in all_imports() if i.path.is_relative_to(IO) and i.module.startswith("thalweg_io.")
             and wrong_io_arrow(i)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ["nn", "io"])
def test_other_packages_use_the_open_rooms(package):
    wrong = [str(i) for i in all_imports() if i.path.is_relative_to(PACKAGES / package)
             and i.target not in OPEN_ROOMS | {f"thalweg_{package}"}]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", sorted((CORE / "cpu").rglob("*.p[yx][xd]")), ids=lambda path: path.name)
def test_kernels_know_arrays_only(path):
    """And what they are made with does not know more: some kernels (`_top_k`, `_segments`) have a helper's name."""
    wrong = [str(i) for i in cimports_of(path) if i.module not in KERNELS and not i.module.startswith("thalweg.cpu._")]
    assert not wrong, "\n".join(wrong)


# Makers, products and interfaces of devices; the core finds devices by their plugins and lists none.
_DEVICE_NAMES = re.compile(r"\b(cuda|nvidia|rocm|hip|opencl|sycl|metal|vulkan|tpu|gpu)\b", re.IGNORECASE)
_TEXT_FOR_PEOPLE = re.compile(r'"""(?s:.*?)"""|/\*(?s:.*?)\*/|#(?!include|define)[^\n]*|//[^\n]*')
_EXAMPLES = {"framework/device_spec.py"}                  # a message that shows how device strings are written


def test_the_core_names_no_device():
    found = []
    for path in sorted(p for p in CORE.rglob("*") if p.suffix in (".py", ".pyx", ".pxd", ".c", ".h")):
        inside = path.relative_to(CORE)
        if inside.parts[0] not in ("cpu", "testing") and str(inside) not in _EXAMPLES:
            code = _TEXT_FOR_PEOPLE.sub("", path.read_text())
            found += [f"{inside}: {match[0]}" for match in _DEVICE_NAMES.finditer(code)]
    assert not found, "\n".join(found)


# --- the test itself --------------------------------------------------------------------------------

def test_a_new_arrow_is_found():
    path = CORE / "framework/new.py"
    assert wrong_arrow(Import(path, 1, "thalweg.ops.math", False))
    assert wrong_arrow(Import(path, 1, "thalweg.runtime.session", False))
    assert not wrong_arrow(Import(path, 1, "thalweg.runtime.session", True))
    assert not wrong_arrow(Import(CORE / "runtime/new.py", 1, "thalweg.plan.ir", False))
    assert wrong_io_arrow(Import(IO / "records/new.py", 1, "thalweg_io.checkpoints.reader", True))
    assert wrong_io_arrow(Import(IO / "graphs/new.py", 1, "thalweg_io.checkpoints.reader", False))
    assert not wrong_io_arrow(Import(IO / "graphs/new.py", 1, "thalweg_io.checkpoints.reader", True))
    assert wrong_io_arrow(Import(IO / "wire.py", 1, "thalweg_io.records.crc32c", False))
