"""Makes the device EMULATED known. `emulation` and `standin` lie beside this file and are never installed."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from emulation import emulated

emulated.register()
