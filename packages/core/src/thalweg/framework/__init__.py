"""The graph and what describes it: dtypes, shapes, names, scopes, collections, op declarations, errors.

Everything else of thalweg stands on this package; it imports nothing of ours but itself.
"""
