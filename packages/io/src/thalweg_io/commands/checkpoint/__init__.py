"""`thalweg checkpoint`: lists, shows, compares, renames, converts and verifies checkpoints."""
