"""How tools/gpu_day runs its stages, without a card: time, what is killed, what is kept, what is found."""
import datetime
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from standin import driver

TOOLS = Path(__file__).resolve().parents[3] / "tools"
TODAY = datetime.date.today().isoformat()
# A command that leaves a child of its own behind, which would run for a while, and tells its number.
PARENT = "sleep 300 & echo $!; sleep {}"


@pytest.fixture(scope="module", autouse=True)
def tools():
    """The modules of tools/gpu can be imported."""
    sys.path[:0] = [str(TOOLS / "gpu"), str(TOOLS)]
    yield
    sys.path.remove(str(TOOLS / "gpu"))
    sys.path.remove(str(TOOLS))


@pytest.fixture
def processes():
    return importlib.import_module("processes")


def is_running(pid):
    """Whether a process is there, and no remainder that nobody has asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_gone_soon(pid):
    end = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_running(pid)


# --- commands ----------------------------------------------------------------------------------------

def test_what_runs_too_long_is_killed_with_its_children(processes, tmp_path):
    with pytest.raises(processes.NotFinished) as error:
        processes.run(["sh", "-c", PARENT.format(300)], tmp_path / "log", 3.0)
    assert is_gone_soon(int(error.value.output))
    assert (tmp_path / "log").read_text() == error.value.output


def test_what_has_ended_leaves_no_children(processes, tmp_path):
    assert is_gone_soon(int(processes.run(["sh", "-c", PARENT.format(0)], tmp_path / "log", 60)))


def test_a_status_is_told_with_what_was_printed(processes, tmp_path):
    with pytest.raises(processes.Failed, match="ended with status 7: ...why"):
        processes.run([sys.executable, "-c", "print('why'); raise SystemExit(7)"], tmp_path / "log", 60)


def test_all_that_runs_is_ended_at_once(processes, tmp_path):
    outcome = []

    def run():
        try:
            processes.run(["sh", "-c", PARENT.format(300)], tmp_path / "log", 300)
        except processes.Failed as error:
            outcome.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text().endswith("\n"):
        time.sleep(0.01)
    processes.end_all()
    thread.join(20)
    assert is_gone_soon(int(outcome[0].output))


def test_a_day_that_is_stopped_leaves_nothing_behind(tmp_path):
    """A stage's processes have THALWEG_CACHE in that folder."""
    def running():
        cache = f"THALWEG_CACHE={tmp_path}".encode()
        return [path for path in Path("/proc").glob("[0-9]*/environ") if cache in content(path)]

    def content(path):
        try:
            return path.read_bytes()
        except OSError:                  # it has ended, or is somebody else's
            return b""
    day = subprocess.Popen([sys.executable, TOOLS / "gpu_day", "--rehearse", "--only", "tests", "--folder", tmp_path],
                           stdout=subprocess.DEVNULL)
    while not running():
        assert day.poll() is None
        time.sleep(0.02)
    day.terminate()
    assert day.wait(60) == 128 + signal.SIGTERM
    end = time.monotonic() + 10
    while running() and time.monotonic() < end:
        time.sleep(0.02)
    assert not running() and "| tests | not run |" in (tmp_path / "rehearsal.md").read_text()


# --- the order of a day ------------------------------------------------------------------------------

class Played:
    """Stages that do nothing but note how much time they have; `does` has something else for some."""

    def __init__(self, **does):
        self.does, self.left, self.n_asked = does, {}, 0

    def machine(self):
        self.n_asked += 1
        return {}

    def __getattr__(self, name):
        def stage(left):
            self.left[name] = left()
            return self.does.get(name, lambda: {"passed": True})()
        return stage


@pytest.fixture
def clock(monkeypatch):
    """What a day reads the time from: `now`, seconds, which stands still."""
    clock = types.SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(importlib.import_module("day"), "time", clock)
    return clock


@pytest.fixture
def day(tmp_path, clock):
    """A function that runs stages: (results, page or None)."""
    module = importlib.import_module("day")

    def run(names=None, seconds=540, **does):
        page = tmp_path / "docs.md"
        run.stages = Played(**does)
        run.day = module.Day(run.stages, tmp_path, page, seconds=seconds)
        results = run.day.run(list(names or module.SHARES))
        return results, page.read_text() if page.exists() else None
    run.module, run.folder = module, tmp_path
    return run


def raiser(error):
    def stage():
        raise error
    return stage


def test_a_stage_has_its_share_and_what_is_left_of_earlier_ones(day):
    day()
    assert sum(day.module.SHARES.values()) == 540
    assert day.stages.n_asked == 1       # what the card is, whatever it told: a day has no time to ask again
    assert day.stages.left == {"build": 200, "kernels": 240, "tests": 350, "speed": 470, "sanitizer": 540}


def test_a_stage_that_takes_all_its_time_takes_none_of_later_ones(day, clock):
    def slow():
        clock.now += 200.0
        return {"passed": True}
    day(build=slow)
    assert day.stages.left["kernels"] == 40.0
    day(seconds=54.0, build=slow)
    assert day.stages.left["kernels"] == 1.0             # nothing is left: a second, so that a command can begin


def test_one_stage_alone_has_all_the_time(day):
    day(["speed"])
    assert day.stages.left == {"speed": 540.0}


def test_a_day_that_is_killed_leaves_a_page(day):
    with pytest.raises(SystemExit):
        day(speed=raiser(SystemExit(143)))
    page = (day.folder / "docs.md").read_text()
    assert "| tests | passed |" in page and "| speed | not run |" in page
    assert "Correctness: **not shown**: speed (not run), sanitizer (not run)." in page


@pytest.mark.parametrize(("does", "status", "said"), [
    (lambda p: {"passed": True}, 0, "Correctness: all stages passed."),
    (lambda p: {"passed": None, "said": "no tool"}, 2, "Correctness: **not shown**: sanitizer (not run)."),
    (lambda p: raiser(p.NotFinished("17 of 80"))(), 2, "Correctness: **not shown**: sanitizer (not finished)."),
    (lambda p: raiser(p.Failed(["tool"], 9, "a race"))(), 1, "Correctness: **FAILED**: sanitizer.")])
def test_what_a_day_comes_to(day, processes, does, status, said):
    results, page = day(sanitizer=lambda: does(processes))
    assert day.module.status(results) == status
    assert said in page and said in day.day.verdicts()


def test_some_stages_keep_what_the_others_came_to(day):
    day(tests=lambda: {"passed": True, "said": "kept words"})
    kept = json.loads((day.folder / "results.json").read_text())
    kept["stages"]["tests"]["date"] = "2026-01-02"
    (day.folder / "results.json").write_text(json.dumps(kept))
    results, page = day(["speed"], speed=lambda: {"passed": True, "said": "new words"})
    assert set(results) == {"speed"}
    assert "of 2026-01-02; kept words" in page and "| new words |" in page and f"of {TODAY}" not in page


def test_some_stages_leave_the_page_of_all_alone(day):
    """Where the others have no result of these sources."""
    day(["speed"])
    assert day.day.written == day.folder / "gpu.md" and not (day.folder / "docs.md").exists()
    day()
    kept = json.loads((day.folder / "results.json").read_text())
    (day.folder / "results.json").write_text(json.dumps({**kept, "sources": "others"}))
    before = (day.folder / "docs.md").read_text()
    assert day(["speed"], speed=lambda: {"passed": False, "said": "it broke"})[1] == before
    assert "| speed | FAILED |" in (day.folder / "gpu.md").read_text()


def test_the_hash_of_the_sources(day, tmp_path):
    file, built = tmp_path / "packages/core/src/a.py", tmp_path / "packages/core/build/a.py"
    for path in (file, built):
        path.parent.mkdir(parents=True)
        path.write_text("1")
    before = day.module.sources(tmp_path)
    built.write_text("2")
    assert day.module.sources(tmp_path) == before
    file.write_text("2")
    assert day.module.sources(tmp_path) != before


# --- stages ------------------------------------------------------------------------------------------

@pytest.fixture
def stages(tmp_path):
    module = importlib.import_module("stages")
    return module, module.Stages(tmp_path, None, False, sys.executable)


def test_figures_that_came_before_the_end_count(stages):
    about = {"thalweg": "0.1.0", "torch": "2.11.0", "without_torch": ""}
    matmul = {"name": "matmul_8192_bfloat16", "figures": {"thalweg": 1.0, "eager": 1.0}, "done": True,
              "allocations_after_warm_up": 0, "thalweg_bytes": 1}
    resnet = {**matmul, "name": "resnet50_training_tf32"}
    del resnet["done"]
    lines = [json.dumps(line) for line in (about, matmul, resnet)]
    result = stages[0].speed_result("\n".join([*lines, '{"name": "mlp_st']), False)
    assert result["passed"] is None and "matmul_8192_bfloat16" not in result["unfinished"]
    assert {"resnet50_training_tf32", "mlp_step_64"} <= set(result["unfinished"])
    page = importlib.import_module("report").report({"speed": {**result, "seconds": 1.0}}, TODAY, {})
    assert "| mlp_step_64 | us | not finished |" in page and "| matmul_8192_bfloat16 | 0 |" in page
    assert "speed (not finished)" in page and "2 of 6 musts" not in page
    last = json.dumps({"name": resnet["name"], "goal_figures": {"thalweg": 3.0, "compile": 2.0}, "done": True})
    result = stages[0].speed_result("\n".join([*lines, last]), True)
    assert result["passed"] is True and result["unfinished"] == []
    assert "1.5 of compile (1.0) | goal |" in importlib.import_module("report").report(
        {"speed": {**result, "seconds": 1.0}}, TODAY, {})


def test_a_work_that_fails_beside_its_goal_keeps_its_must(stages):
    """torch.compile may fail."""
    about = {"thalweg": "0.1.0", "torch": "2.11.0", "without_torch": ""}
    first = {"name": "resnet50_training_tf32", "figures": {"thalweg": 2.0, "eager": 1.0},
             "allocations_after_warm_up": 0, "thalweg_bytes": 1}
    last = {"name": first["name"], "error": "status 1: inductor", "done": True}
    result = stages[0].speed_result("\n".join(map(json.dumps, (about, first, last))), True)
    page = importlib.import_module("report").report({"speed": {**result, "seconds": 1.0}}, TODAY, {})
    assert result["passed"] is False and "| must; status 1: inductor |" in page


def test_the_figures_of_a_killed_process_are_read(stages, processes, monkeypatch):
    output = json.dumps({"name": "mlp_step_64", "figures": {"thalweg": 9.0}, "done": True})
    monkeypatch.setattr(stages[1], "_run", lambda *args, **more: raiser(processes.NotFinished(output))())
    result = stages[1].speed(lambda parts=1: 3.0)
    assert [one["name"] for one in result["results"]] == ["mlp_step_64"] and "mlp_step_64" not in result["unfinished"]
    assert result["passed"] is None and "matmul_8192_bfloat16" in result["unfinished"]


def test_all_musts_are_measured_before_any_goal(monkeypatch, capsys):
    """torch.compile takes minutes; a work that has failed is not compiled."""
    speed, asked = importlib.import_module("speed"), []

    def measured(work, peers, args):
        asked.append((work.name.removeprefix("resnet50_training_"), *peers))
        figures = {"figures": dict.fromkeys(["thalweg", *peers], 1.0)}
        return {"name": work.name, **({"error": "broke"} if work.name.endswith("tf32") else figures)}
    monkeypatch.setattr(speed, "_measured_by_a_child", measured)
    monkeypatch.setattr(speed, "_torch", lambda: (types.SimpleNamespace(VERSION="2.11.0"), ""))
    monkeypatch.setattr(sys, "argv", ["speed.py", "elementwise", "resnet50"])
    speed.main()
    assert asked == [("elementwise_1gb", "eager", "copy"), ("bfloat16", "eager"), ("tf32", "eager"),
                     ("float32", "eager"), ("bfloat16", "compile"), ("float32", "compile")]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["name"], "goal_figures" in line) for line in lines if "done" in line] == [
        ("elementwise_1gb", False), ("resnet50_training_tf32", False), ("resnet50_training_bfloat16", True),
        ("resnet50_training_float32", True)]


def test_no_figures_are_no_pass(stages):
    assert stages[0].speed_result("nothing", True)["passed"] is False


def test_parts_of_the_kit_are_all_of_it(stages, tmp_path):
    """Each test is in one part; the counts are those of all parts."""
    (tmp_path / "test_seven.py").write_text("import pytest\n@pytest.mark.parametrize('i', range(7))\n"
                                            "def test(i):\n    print('ran', i)\n")
    ran = []
    for k in range(3):
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "part",
                   "--part", f"{k}/3", "test_seven.py"]
        environment = {**os.environ, "PYTHONPATH": str(TOOLS / "gpu")}
        output = subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        ran += [line for line in output.stdout.splitlines() if "ran" in line]
    assert sorted(line[-1] for line in ran) == list("0123456")
    for name, counts in (("a", [2, 1, 0]), ("b", [3, 0, 4])):
        level = dict(zip(("passed", "failed", "skipped"), counts))
        (tmp_path / name).write_text(json.dumps({"levels": {"L3": {**level, "title": "kernels"}}}))
    assert stages[0].levels([tmp_path / "a", tmp_path / "b"]) == {"L3": {"passed": 5, "failed": 1, "skipped": 4}}
    suite = TOOLS.parent / "packages/core/src/thalweg/testing/suite"
    assert sorted(f"test_{name}" for name in stages[0].ALONE + stages[0].TABLES) == sorted(
        path.stem for path in suite.glob("test_*.py"))


def test_what_hangs_takes_no_time_of_other_tests(stages, monkeypatch):
    """The tests of the device are not finished: the conformance kit is run."""
    seen = {}

    def part(name, seconds, *command, **more):
        seen[name] = seconds
        return "not finished" if name == "tests" else "passed"
    monkeypatch.setattr(stages[1], "_part", part)
    result = stages[1].tests(lambda parts=1: 90 / parts)
    assert result["passed"] is None and result["unfinished"] == ["tests"] and result["levels"] == {}
    tables = {f"tables {k + 1}": 90.0 for k in range(stages[0].AT_ONCE)}
    assert seen == {"tests": 30.0, "conformance": 45.0, **tables}


def fake_sanitizer(path):
    """Finds an error in racecheck, takes too long for initcheck, else runs nothing and says what the rows say."""
    path.write_text("""#!/bin/sh
case "$*" in "--tool "*" --error-exitcode 9 "*" --report-api-errors no "*) ;; *) exit 3;; esac
test $2 = initcheck && sleep 300
echo '{"rows": 3, "failed": 0, "without_row": ["draws", "steps"]}'
test $2 != racecheck
""")
    path.chmod(0o755)
    return str(path)


def test_what_the_sanitizer_comes_to(stages, tmp_path, monkeypatch):
    module, stage = stages
    monkeypatch.setattr(module, "compute_sanitizer", lambda python: fake_sanitizer(tmp_path / "tool"))
    result = stage.sanitizer(lambda parts=1: 3.0)
    parts = result["parts"]
    assert result["passed"] is False and result["unfinished"] == ["initcheck of rows", "initcheck of tests"]
    assert parts["memcheck of tests"] == "passed" and parts["racecheck of rows"].startswith("FAILED: ")
    page = importlib.import_module("report").report({"sanitizer": {**result, "seconds": 1.0}}, TODAY, {})
    assert "the tests of the device alone run them: draws, steps." in page
    assert "| sanitizer | initcheck of rows | not finished |" in page


def test_without_a_sanitizer_nothing_is_sanitized(stages, monkeypatch):
    monkeypatch.setattr(stages[0], "compute_sanitizer", lambda python: None)
    result = stages[1].sanitizer(lambda parts=1: 3.0)
    assert result["passed"] is None and "pip download nvidia-cuda-sanitizer-api" in result["said"]


# --- the environment ---------------------------------------------------------------------------------

def test_the_sanitizer_is_found_in_its_package(tmp_path, monkeypatch):
    """Where the wheel of nvidia-cuda-sanitizer-api 13.5 puts it."""
    tool = tmp_path / "nvidia/cu13/bin/compute-sanitizer"
    tool.parent.mkdir(parents=True)
    tool.touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert importlib.import_module("building").compute_sanitizer(sys.executable) == str(tool)


def test_wheels_of_thalweg_are_taken_where_they_are(tmp_path):
    building = importlib.import_module("building")
    names = ["core", "nn", "io", "cuda"]
    for name in names:
        assert building.ours(tmp_path) == ["--no-build-isolation", *(TOOLS.parent / "packages" / n for n in names)]
        (tmp_path / f"thalweg_{name}-0.1.0-py3-none-any.whl").touch()
    assert building.ours(tmp_path) == [f"thalweg-{name}" for name in names]


def test_an_environment_has_the_packages_of_an_environment(tmp_path):
    """PyTorch is mostly in one, whose packages are not the system's."""
    parent = tmp_path / "parent"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", parent], check=True)
    own = next(parent.glob("lib/python*/site-packages"))
    (own / "only_there.py").touch()
    (own / "pip").mkdir()                                # else PyPI's is fetched
    (own / "pip/__main__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(TOOLS)!r}); import venvs; " \
           f"venvs.make({str(tmp_path / 'child')!r}, with_packages=True)"
    subprocess.run([parent / "bin/python", "-c", code], check=True)
    subprocess.run([tmp_path / "child/bin/python", "-c", "import only_there"], check=True)


@pytest.mark.skipif(importlib.util.find_spec("pycuda") is None,
                    reason="PyCUDA is not installed: tools/pycuda-wheel builds it")
def test_kernels_are_found_by_the_processes_that_come_later(tmp_path):
    """tools/gpu/kernels.py makes images under the names that a session asks for: nothing is compiled again."""
    environment = {**driver.environment(), "THALWEG_CACHE": str(tmp_path), "PYTHONHASHSEED": "0"}

    def python(*command):
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip().splitlines()[-1]
    made = python(TOOLS / "gpu/kernels.py", "--ops", "Softplus")
    n_made = len(os.listdir(tmp_path / "cuda"))
    assert n_made and made == f"{n_made} sources: {n_made} compiled, 0 were there, 0 failed"
    code = """
import thalweg as tf
from thalweg_cuda.device import cuda_device
with tf.device("/gpu:0"):
    y = tf.nn.softplus(tf.Variable(tf.zeros([3, 4])))
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    before = cuda_device._opened[0]._compiler.n_compiled
    session.run(y.op)
compiler = cuda_device._opened[0]._compiler
print(compiler.n_compiled - before, compiler.n_read)
"""
    assert python("-c", code) == "0 1"


@pytest.mark.skipif(importlib.util.find_spec("pycuda") is None,
                    reason="PyCUDA is not installed: tools/pycuda-wheel builds it")
def test_the_tests_read_and_keep_images_where_they_are_told(tmp_path):
    """As tools/gpu_day runs them, after tools/gpu/kernels.py."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).with_name("gpu"),
               "-k", "test_work_and_copies_keep_their_order"]
    subprocess.run(command, env={**driver.environment(), "THALWEG_CACHE": str(tmp_path)}, check=True)
    assert os.listdir(tmp_path / "cuda")
