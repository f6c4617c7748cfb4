"""Checks an editable installation of all packages: they come from the sources, and a session runs."""
import importlib
import pathlib

import thalweg as tf

ROOT = pathlib.Path(__file__).resolve().parents[2]

for name in ("thalweg", "thalweg_nn", "thalweg_io"):
    source = pathlib.Path(importlib.import_module(name).__file__)
    assert source.is_relative_to(ROOT / "packages"), source
with tf.Session() as session:
    assert session.run(tf.constant(2.0) * 3.0) == 6.0
print("editable packages work:", tf.__version__)
