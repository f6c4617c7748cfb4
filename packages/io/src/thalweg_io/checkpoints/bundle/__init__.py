"""The V2 checkpoint, a "tensor bundle": `PREFIX.index`, a table of entries, `PREFIX.data-00000-of-00001`, the bytes.

`reader` and `writer` are the doors; `entry` holds the messages of the index, `values` the bytes of a tensor, `commit`
the order of renames that no kill or power cut can break.
"""
