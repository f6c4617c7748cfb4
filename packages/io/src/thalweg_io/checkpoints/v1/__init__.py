"""The V1 checkpoint of TensorFlow before 0.12: one table file that holds all, or one per shard.

`reader` and `writer` are the doors; `entry` holds the messages, `values` the numbers inside of them, `files` which
files make a checkpoint, and the order of renames when shards are written anew.
"""
