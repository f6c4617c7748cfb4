"""`tf.losses`: losses with weights, kept in a collection. Nodes and their order are TensorFlow 1.x's.

weights.py says which weights fit and how many count; reduction.py makes one number of many; the losses are in
regression.py and classification.py.
"""
