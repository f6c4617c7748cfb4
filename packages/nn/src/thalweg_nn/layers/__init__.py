"""`tf.layers`: functions and classes that make their variables themselves, under TensorFlow 1.x's names.

base.py has the class of all layers; each file beside it holds one family with its functions.
"""
