"""Summaries of tensors and the event files that TensorBoard shows.

`summary_ops` declares the ops, `builders` are the functions of `tf.summary`; `histogram`, `image` and `audio` turn
arrays into what a summary holds, `hparams` a run's settings. `file_writer` writes event files, one `event_file` at a
time; `reader` reads them, and `series` is what a tag held over time.
"""
