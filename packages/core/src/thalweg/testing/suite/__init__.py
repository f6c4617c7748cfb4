"""The conformance suite: tests of one device by level, L0 to L7 (docs/devices.md, section 6).

    pytest -p thalweg.testing.plugin --pyargs thalweg.testing.suite --thalweg-device=acme --thalweg-caps=caps.toml
    from thalweg.testing.suite import *         in a plugin's repository, beside its class of Capabilities
"""
from thalweg.testing import MISSING

try:
    import pytest  # noqa: F401
    import scipy  # noqa: F401
except ImportError as error:
    raise ImportError(MISSING) from error

from .test_l0_load import *
from .test_l1_memory import *
from .test_l2_order import *
from .test_l3_kernels import *
from .test_l4_gradients import *
from .test_l5_graphs import *
from .test_l6_interop import *
from .test_l7_cost import *

__all__ = [name for name, value in list(globals().items()) if name.startswith("test_") and callable(value)]
__all__ += ["blocks", "raw", "total"]                            # fixtures of L2 and L6
