"""Image files: `codecs.py` decodes JPEG, PNG, GIF and BMP by Pillow, `image_ops.py` has the ops that call it.

Pillow is no dependency of the package but of its extra `image`, and is imported with the first op that needs it.
"""
