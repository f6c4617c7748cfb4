"""Programs in the documentation run as they are printed there."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_the_walkthrough_prints_every_stage():
    done = subprocess.run([sys.executable, "docs/walkthrough.py"], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    for stage in ("1. the program", "2. an op", "3. gradients", "4.1 prune", "4.2 shapes", "4.3 simplify", "4.4 place",
                  "4.5 effects", "4.6 fuse", "4.7 settle", "4.8 memory", "5. the session"):
        assert f"=== {stage}" in done.stdout
    assert "_FusedMatMul" in done.stdout and "step 2: loss 0.07812" in done.stdout


def test_the_walkthrough_stays_short():
    assert len((ROOT / "docs/walkthrough.py").read_text().splitlines()) < 300
