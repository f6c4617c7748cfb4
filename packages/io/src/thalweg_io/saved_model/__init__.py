"""SavedModel: a folder with graphs, their variables and assets, and signatures that say how to call them.

Writing (`builder`, `simple_save`), loading (`loader`), signatures (`signatures`, `tensor_info`), names (`constants`,
`folder`). TensorFlow's 1.x form; the form of `tf.saved_model.save` of 2.x is named and refused.
"""
