"""The stages of a day, in their order, and the seconds of each.

A stage ends when its share and those of the stages before it are spent: what one leaves is the next ones', and none
takes from a later one. Most of the first share is for PyCUDA, which ready wheels save.
"""
SHARES = {"build": 200, "kernels": 40, "tests": 110, "speed": 120, "sanitizer": 70}
SECONDS = sum(SHARES.values())
