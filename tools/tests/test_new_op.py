"""A new elementwise op touches three files (CONTRIBUTING.md): it is added to a copy of the core here, built and used.

Run by tox, environment `packaging`, and by hand wherever Cython and a C compiler are: about a minute.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("Cython")
import thalweg

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORE = pathlib.Path("packages/core")

# file -> (the text before which the new lines come, "" for the end; the new lines)
CHANGES = {
    "src/thalweg/ops/unary.py": ("", '''

@elementwise("Cube", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="math.cube")
def cube(x):
    """x * x * x."""
    return x * x * x


@cube.gradient
def cube_grad(node, dy):
    return dy * (square(node.x) * 3.0)
'''),
    "src/thalweg/cpu/c/elementwise_formulas.h": ("  X(Neg, CHEAP, -a)", "  X(Cube, CHEAP, a * a * a)  \\\n"),
    "src/thalweg/testing/tables/unary.py": (
        "    Row(tf.abs,", "    Row(tf.math.cube, reals(3, 4), against=lambda x: x ** 3),\n"),
}

USE = """
import thalweg as tf
from thalweg.devices.placement import Placement
from thalweg.plan import pipeline
from thalweg.runtime.debug import KINDS

x = tf.placeholder(tf.float32, [3])
y = tf.math.cube(x)
def steps(fetch):
    template = pipeline.make_template((fetch,), (x,), Placement(tf.ConfigProto()), True)
    return [(step.node.op_type, KINDS[step.kind]) for step in pipeline.specialise(template, [None], {}).steps]
with tf.Session() as session:
    print(session.run([y, tf.gradients(y, x)[0]], {x: [1, 2, -3]}))
print(steps(y), steps(tf.exp(y) * y))
print(y.op.type, y.name, tf.math.cube is y.op.declaration)
"""
SUITES = ["ops/test_unary.py", "ops/test_tables.py", "cpu/test_elementwise.py", "plan/test_passes.py",
          "test_surface.py", "test_card.py"]


def digests(folder):
    """{path: hash} of what people write: no built and no cached file."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".so", ".pyc"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
            if "build" not in p.relative_to(folder).parts and ".pytest_cache" not in p.parts}


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A copy of the core with its modules built, then three files of it changed."""
    top = tmp_path_factory.mktemp("checkout")
    built = ("build", "*.so", "*.new", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / CORE, top / CORE, ignore=shutil.ignore_patterns(*built))
    shutil.copytree(ROOT / "tools", top / "tools", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.copytree(ROOT / "docs", top / "docs")
    package = pathlib.Path(thalweg.__file__).parent
    for module in package.rglob("*.so"):
        shutil.copy2(module, top / CORE / "src/thalweg" / module.relative_to(package))
    before = digests(top)
    for name, (place, lines) in CHANGES.items():
        path = top / CORE / name
        text = path.read_text()
        at = text.index(place) if place else len(text)
        path.write_text(text[:at] + lines + text[at:])
    changed = {path for path, digest in digests(top).items() if before.get(path) != digest}
    assert changed == {str(CORE / name) for name in CHANGES} and len(changed) == 3
    return top / CORE


@pytest.fixture(scope="module")
def output_of(core):
    """Runs Python with the copy, its one module built again; gives what it prints."""
    path = os.pathsep.join([str(core / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "THALWEG_CHECK": "1"}

    def run(*arguments, folder=core):
        done = subprocess.run([sys.executable, *map(str, arguments)], cwd=folder, env=environment, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
        return done.stdout

    built = run("setup.py", "build_ext", "--inplace", "--only", "thalweg.cpu._loops")
    assert [line for line in built.splitlines() if line.startswith("cython")] == ["cython src/thalweg/cpu/_loops.pyx"]
    return run


def test_it_runs_by_its_kernel_alone_and_in_a_region(output_of):
    values, steps, names = output_of("-c", USE).splitlines()
    assert values == "[array([  1.,   8., -27.], dtype=float32), array([ 3., 12., 27.], dtype=float32)]"
    alone, inside = steps[1:-1].split("] [")
    assert "('Cube', 'kernel')" in alone
    assert "('_Region', 'kernel')" in inside and "Cube" not in inside
    assert names == "Cube Cube:0 True"


def test_the_suites_hold_it_to_its_declaration(output_of):
    output = output_of("-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *(f"tests/{name}" for name in SUITES))
    for case in ("test_elementwise.py::test_values[Cube-float32]", "test_elementwise.py::test_values[Cube-float64]",
                 "test_passes.py::test_an_op_gives_the_same_bits_in_a_region[Cube-float32]",
                 "test_surface.py::test_every_name_of_the_table_is_there[math.cube]"):
        assert f"{case}\n" in output, case
    assert "cube" in "".join(line for line in output.splitlines() if "test_unary.py" in line)


def test_without_its_row_a_test_fails(output_of, core):
    table = core / "src/thalweg/testing/tables/unary.py"
    whole = table.read_text()
    table.write_text(whole.replace(CHANGES["src/thalweg/testing/tables/unary.py"][1], ""))
    try:
        with pytest.raises(AssertionError, match=r"ops without a row: Cube \(thalweg.ops.unary\)"):
            output_of("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ops/test_tables.py")
    finally:
        table.write_text(whole)


def test_the_tool_writes_its_stub(output_of, core):
    output_of("tools/stubs", folder=core.parents[1])
    assert "\ndef cube(x: Any, name: Any = ...) -> Tensor: ...\n" in (core / "src/thalweg-stubs/math.pyi").read_text()
    output_of("tools/stubs", "--check", folder=core.parents[1])
