"""Control flow of TensorFlow 1.x's files: Switch, Merge, Enter, Exit and their kin, to functions and back.

`raising` turns them into `If` and `While` on functions, `lowering` writes these as TensorFlow 1.x lays them out. Both
work on messages alone; the op declarations tell names and dtypes of outputs.
"""
