"""Checkpoints: `tf.train.Saver` and its kin, V2 (`bundle`) and V1 (`v1`) files, the state file, readers.

`saver`, `saver_builder`, `saveables` and `save_ops` make and run the nodes of a Saver; `reader` looks into one file,
`initializers` and `warm_start` start variables from one; `table` and `tensor_slice` are what both formats are made of.
"""
