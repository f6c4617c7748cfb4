"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.contrib.learn import monitors as monitors
