"""The programs of tools/bench build and run in thalweg, on small images and few filters; reports are rendered."""
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "tools" / "bench"
sys.path.insert(0, str(BENCH))

import framework  # noqa: E402
import input_files  # noqa: E402
import kernels  # noqa: E402
import quiet  # noqa: E402
import ratios  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import subjects  # noqa: E402
import tf_programs  # noqa: E402
from networks.architectures import NETWORKS  # noqa: E402
from works import WORKS, select  # noqa: E402

SIDES = {"lenet": 28, "resnet50": 32, "vgg16": 32, "inception3": 75, "mobilenet": 32, "stack": 8}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_runs_a_step(name, training):
    more = {"depth": 3} if name == "stack" else {}
    step, images, _ = tf_programs.network(name, 2, training, side=SIDES[name], width=1 / 16, **more)
    fetched = step()
    assert images == 2
    if not training:
        assert fetched.shape == (2, NETWORKS[name].classes)
        np.testing.assert_allclose(fetched.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.parameters])
def test_a_network_has_its_parameters(name):
    assert tf_programs.parameters(name) == NETWORKS[name].parameters


def test_a_subject_that_is_measured_by_wish_has_its_compute_type(monkeypatch):
    kinds = {name: kind for name, kind in subjects.KINDS.items() if kind.by_wish}
    assert set(kinds) == {"thalweg_float16", "thalweg_bfloat16"}
    for kind in kinds.values():
        monkeypatch.setattr(framework, "COMPUTE_TYPE", kind.environment["BENCH_COMPUTE_TYPE"])
        with framework.new_session(framework.tf.Graph()) as session:
            assert session._config.compute_type == kind.environment["BENCH_COMPUTE_TYPE"]


def _small(arguments):
    """A kernel's arguments with few rows, channels and elements."""
    limits = {"batch": 2, "rows": 8, "channels": 4, "filters": 4, "count": 100, "classes": 5}
    return {name: min(value, limits[name]) if name in limits else value for name, value in arguments.items()}


def _kernels():
    """One work per program and manner."""
    shapes = {name: row for kind in kernels.CLASSES for name, row in kind.shapes.items()}
    distinct = {json.dumps([of, _small(arguments)]): name for name, (of, arguments) in shapes.items()}
    return [(name, *shapes[name]) for name in distinct.values()]


@pytest.mark.parametrize("name, of, arguments", _kernels(), ids=[row[0] for row in _kernels()])
def test_a_kernel_runs(name, of, arguments, monkeypatch):
    monkeypatch.setattr(kernels, "resnet50_shapes", lambda: [[3, 3, 2, 2], [2]])
    step, _, _ = tf_programs.kernel(of, **_small(arguments))
    step()


@pytest.fixture
def files(monkeypatch, tmp_path):
    monkeypatch.setattr(input_files, "FOLDER", tmp_path)
    monkeypatch.setattr(input_files, "COUNT", 5)
    input_files.make()


@pytest.mark.parametrize("source", ["fed", "prefetched", "in_step"])
def test_training_on_files_runs_a_step(source, files):
    step, steps, _ = tf_programs.input_training(source, batch=2, width=1 / 16)
    assert steps == 1
    step()


def test_the_bound_of_training_on_files(files, monkeypatch):
    monkeypatch.setattr("tf_input.MEASURED", 1)
    assert tf_programs.input_bound(batch=2, width=1 / 16) > 0


def test_the_optimizers_update_a_resnet():
    shapes = kernels.resnet50_shapes()
    assert len(shapes) == 161 and sum(int(np.prod(s)) for s in shapes) == NETWORKS["resnet50"].parameters


def test_works_are_chosen_by_prefix():
    assert [w.name for w in select(["vgg16_inference"])] == [f"vgg16_inference_{b}" for b in (1, 8, 32)]
    assert select([]) == list(WORKS.values())


FIGURES = {
    "resnet50_inference_8": {"thalweg": [20.0, 22.0, 21.0], "tensorflow": [14.0], "torch": [12.0],
                             "torch_frozen": [17.5]},
    "run_1000": {"thalweg": [10.0], "tensorflow": [250.0], "torch": [5.0]},
    "kernel_conv3x3_forward_56x56x64to64_b1": {"thalweg": [1.0], "torch": [1.992]},
    "kernel_conv3x3_forward_28x28x128to128_b1": {"thalweg": [1.0], "torch": [4.5]},
    "growth_depth_10": {"thalweg": [1.0], "torch": [2.0]},
}


@pytest.fixture
def collected():
    found = results.empty()
    found["machine"].update(cpu="Abacus", make="model 4, stepping 1", caches="L1 48K, L2 1024K", processors=2,
                            memory_gb=23)
    for name in ("thalweg", "tensorflow", "torch", "torch_frozen"):
        found["subjects"][name] = {"version": "1.2", "details": "beads"}
    for name, figures in FIGURES.items():
        results.add(found, 2, name, figures, {}, [0.0, 0.04], "The machine was quiet.")
    results.add(found, 1, "resnet50_training_8", {"thalweg": [2.0]}, {"torch_frozen": "it only infers"}, [])
    return found


def test_the_page(collected):
    page = report.markdown(collected, [("figures/growth.svg", "growth")])
    for expected in (
            "Abacus (model 4, stepping 1; L1 48K, L2 1024K), 2 processors, 23 GB", "The machine was quiet.",
            "Other processes used 2 % of the processors before a turn",
            "| torch_frozen | torch.compile with freezing, channels-last memory; inference | 1.2 | beads | tuned |",
            "| resnet50_inference_8 | best default peer | 1 | 1.50 | 1.30 | 1.60 | must |",
            "| run_1000 | tensorflow | 1 | 25.00 | 2.00 | 3.00 | goal |",
            "| resnet50_training_8 | best default peer | 1 | - | 1.30 | 1.60 | not measured |",
            "| conv3x3_forward | filters unchanged | 2 | 4.50 | 2.99 | must | 2.00 | 3.00 | 1.99 | missed | "
            "conv3x3_forward_56x56x64to64_b1 |",
            "| work | unit | thalweg | tensorflow | torch | / best default | torch_frozen | / best tuned |",
            "| resnet50_inference_8 | images/s | 21 [20, 22] | 14 (once) | 12 (once) | 1.50 | 17.5 (once) | 1.20 |",
            "## Networks: training, 1 thread", "* without torch_frozen: resnet50_training_8: it only infers",
            "![growth](figures/growth.svg)"):
        assert expected in page


@pytest.mark.parametrize("thalweg, told, verdict", [
    (1298.0, "1.298", "missed"), (1299.9996, "1.2999996", "missed"), (1300.0, "1.30", "must"),
    (1596.0, "1.596", "must"), (1200.0, "1.20", "missed")])
def test_a_ratio_has_the_digits_that_tell_it_from_its_aims(thalweg, told, verdict):
    found = results.empty()
    results.add(found, 2, "resnet50_training_8", {"thalweg": [thalweg] * 3, "torch": [1000.0] * 3}, {}, [])
    row = f"| resnet50_training_8 | best default peer | 3 | {told} | 1.30 | 1.60 | {verdict} |"
    assert row in report.markdown(found)


def test_a_class_that_has_one_aim():
    found = results.empty()
    figures = {"thalweg": [1.0], "torch": [3.0], "torch_compile": [0.5]}
    results.add(found, 2, "kernel_elementwise_chain_4194304", figures, {}, [])
    page = report.markdown(found)
    assert "| 3.00 | 3.00 | must | 2.40 | - | 3.00 | must | elementwise_chain_4194304 |" in page
    assert "| 0.50 | 0.50 | - | - | 1.00 | 0.50 | - | elementwise_chain_4194304 |" in page


def test_figures_kept_before_processors_were_told_apart_are_reported(collected):
    del collected["machine"]["make"], collected["machine"]["caches"]
    assert "Abacus, 2 processors, 23 GB" in report.markdown(collected)


def test_a_processor_is_told_from_others_of_its_name(monkeypatch):
    files = {"/proc/cpuinfo": ["processor\t: 0", "cpu family\t: 26", "model\t\t: 2", "model name\t: AMD EPYC",
                               "stepping\t: 1"]}
    monkeypatch.setattr(results, "_lines", lambda path: files.get(str(path), []))
    assert results.machine()["make"] == "cpu family 26, model 2, stepping 1"
    found = results.empty()
    files["/proc/cpuinfo"][1] = "cpu family\t: 25"
    with pytest.raises(results.Mixed, match="measured on .*family 26.*this is .*family 25"):
        results.describe(found, [])


def test_caches_are_told_apart():
    assert re.fullmatch(r"|L1 \w+(, L\d \w+)*", results.machine()["caches"])


def test_a_size_counts_what_is_required_but_numpy(monkeypatch):
    needs = {"thalweg-core": ["numpy>=1.26"], "protobuf": None, "pillow": None, "numpy": None,
             "thalweg-io": ["thalweg-core", "protobuf>=4", 'pillow; extra == "images"']}

    def requires(name):
        if name not in needs:
            raise importlib.metadata.PackageNotFoundError(name)
        return needs[name]
    monkeypatch.setattr(importlib.metadata, "requires", requires)
    monkeypatch.setenv("BENCH_SUBJECT", "thalweg")
    monkeypatch.setenv("BENCH_FRAMEWORK", "thalweg")
    import worker
    found = worker.requirements(["thalweg-core", "thalweg_io", "absent"])
    assert sorted(found) == ["protobuf", "thalweg-core", "thalweg-io"]


def test_a_page_that_tells_more_is_not_replaced(collected, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    assert report.lost(collected) == []
    report.write(report.markdown(collected))
    assert report.lost(collected) == []
    results.add(collected, 1, "run_1", {"thalweg": [2.0]}, {}, [])
    assert report.lost(collected) == []                                       # one more
    del collected["runs"]["2"]["run_1000"], collected["runs"]["2"]["growth_depth_10"]
    collected["runs"]["1"] = {}
    assert report.lost(collected) == ["run_1000, 2 threads", "growth_depth_10, 2 threads",
                                      "resnet50_training_8, 1 thread"]


def test_one_work_is_no_page():
    before = report.PAGE.read_bytes()
    done = bench("run_1", "--subjects", "thalweg", "--rounds", "1", "--write")
    assert done.returncode == 1 and "| run_1 | us |" in done.stdout
    assert re.search(r"performance.md is left as it is: it tells \d+ works that are not among these figures, "
                     "[a-z0-9_]+, 2 threads first. Measure them into the same --json file, or move", done.stderr)
    assert report.PAGE.read_bytes() == before


@pytest.mark.parametrize("count", ["0", "-1", "few", "1.5"])
@pytest.mark.parametrize("option", ["--rounds", "--threads"])
def test_what_measures_nothing_is_refused(option, count):
    done = bench("run_1", option, count)
    assert done.returncode == 2 and f"argument {option}: {count!r} is no whole number above 0" in done.stderr


def test_figures_that_are_not_there():
    done = bench("--from", "nowhere.json")
    assert done.returncode == 2 and "there is no file nowhere.json" in done.stderr


@pytest.mark.parametrize("more", [[], ["--list"]])
def test_an_unknown_work_is_named(more):
    done = bench("run_1", "resnet5_inference_8", *more)
    assert done.returncode == 2 and not done.stdout
    assert "no work is named 'resnet5_inference_8' or begins so; --list tells the names" in done.stderr


def test_a_pair_of_kernels_is_between_its_halves():
    assert kernels.both(1.0, 3.0) == 1.5


def test_a_missing_figure_gives_no_ratio():
    assert ratios.ratio(WORKS["run_1"], {"torch": [1.0]}, ["torch"]) is None
    assert ratios.ratio(WORKS["run_1"], {"thalweg": [1.0]}, ["torch"]) is None


def test_figures_of_another_machine_do_not_mix(collected):
    with pytest.raises(results.Mixed, match="measured on .*Abacus.*take another file"):
        results.describe(collected, [])


def test_figures_of_another_version_do_not_mix():
    class Subject:
        name, version, details = "torch", "2.0", "beads"
    found = results.empty()
    results.describe(found, [Subject])
    Subject.version = "2.1"
    with pytest.raises(results.Mixed, match="torch was .*2.0.*is .*2.1.*take another file"):
        results.describe(found, [Subject])


def test_a_turn_waits_for_a_quiet_machine(monkeypatch):
    shares = iter([0.9, 0.5, 0.1, 0.0])
    monkeypatch.setattr(quiet, "others", lambda: next(shares))
    assert quiet.wait(0.2) == 0.1
    assert quiet.wait(-1.0, patience_s=-1) == 0.0


def bench(*arguments):
    return subprocess.run([sys.executable, str(BENCH), *arguments], capture_output=True, text=True, timeout=120)


def test_a_run_is_kept_and_resumed(tmp_path):
    file = str(tmp_path / "figures.json")
    call = ["run_1", "run_100", "--subjects", "thalweg", "--rounds", "1", "--json", file, "--resume"]
    stopped = bench(*call, "--minutes", "0.0001")
    assert stopped.returncode == 1 and "2 works are left: run_1 run_100;" in stopped.stderr
    assert bench("run_1000", *call[2:]).returncode == 0
    assert list(json.loads(pathlib.Path(file).read_text())["runs"]["2"]) == ["run_1000"]
    rendered = bench("--from", file)
    assert "| run_1000 | us |" in rendered.stdout


def test_peak_memory_is_that_of_the_new_process_alone(tmp_path):
    code = ("import os, sys, numpy; sys.path.insert(0, sys.argv[1])\n"
            "os.environ.update(BENCH_SUBJECT='thalweg', BENCH_FRAMEWORK='thalweg')\n"
            "import worker; held = numpy.ones(10**8)\n"
            "print(worker.peak_memory('stack', batch=1, training=False, depth=1))")
    done = subprocess.run([sys.executable, "-c", code, str(BENCH)], capture_output=True, text=True, check=True)
    assert 20 < float(done.stdout) < 400


def test_an_unknown_subject_is_named():
    assert "no subject caffe; there are thalweg, tensorflow" in bench("--subjects", "caffe").stderr


def test_a_subject_that_takes_too_long_is_left_out():
    done = bench("build_10000", "--subjects", "thalweg", "--rounds", "1", "--patience", "1e-3")
    assert "thalweg is left out: took longer than 0.001 s" in done.stderr
