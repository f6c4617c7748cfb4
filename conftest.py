"""Settings of every test run: plans are checked after each pass (reliability before speed)."""
import os

os.environ.setdefault("THALWEG_CHECK", "1")
