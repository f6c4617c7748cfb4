"""From a fetch to a Plan: one pass, one file, one function over the small IR of `ir.py`.

`pipeline.py` strings the passes together; the order is prune, simplify, place (once per fetch set), then shapes, fuse,
copies, order, memory, bind (once per fed shapes). May import framework, ops and devices; runs nothing itself.
"""
