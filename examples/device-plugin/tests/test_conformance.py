"""thalweg's conformance kit, held against what caps.toml claims."""
from pathlib import Path

from thalweg.testing.capabilities import Capabilities
from thalweg.testing.suite import *  # noqa: F403

CAPS = Capabilities.read(Path(__file__).parent.parent / "caps.toml")
