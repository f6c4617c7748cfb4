"""The version, alike in every first-party package; tests/test_versions.py compares them."""
__version__ = "0.1.0"
