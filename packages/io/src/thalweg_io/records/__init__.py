"""Records with checksums, as TFRecord and event files hold them; plain, zlib and gzip streams; CRC-32C.

`tf_record` is what programs use, `records` reads files that grow, `framing` holds the compiled loops.
"""
