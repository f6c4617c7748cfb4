"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.protos import SessionLog as SessionLog
from thalweg_io.protos import Summary as Summary
