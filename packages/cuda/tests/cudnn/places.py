"""Where the described card and NVIDIA's headers lie."""
import importlib.util
import os
from pathlib import Path

H200 = Path(__file__).with_name("h200.json")


def wheel_folder(*parts):
    """A folder of the packages nvidia-*; None where it is not there."""
    spec = importlib.util.find_spec("nvidia")
    places = [os.path.join(place, *parts) for place in (spec.submodule_search_locations if spec else ())]
    return next((Path(place) for place in places if os.path.isdir(place)), None)
