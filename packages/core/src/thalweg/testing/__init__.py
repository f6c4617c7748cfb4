"""For tests: op tables, single kernel calls, a fake device, and the conformance kit of devices (docs/devices.md, 5).

May import everything of ours. `suite` and `plugin` need pytest and SciPy, which thalweg-core does not install.
"""
MISSING = ("thalweg's conformance kit runs on pytest and compares with SciPy: "
           "pip install 'thalweg-core[testing]', or pip install pytest scipy")
