"""The version, the same in every package; `tools/version` writes it from the file VERSION."""
__version__ = "0.1.0"
