"""Summaries of tensors and the event files that TensorBoard shows.

`summary_ops` declares the ops, `builders` are the functions of `tf.summary`, `file_writer` writes event files;
`histogram`, `image` and `audio` turn arrays into what a summary holds.
"""
