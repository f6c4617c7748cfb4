"""Tools on graphs as messages: functions GraphDef -> GraphDef that never change what they are given.

Freeze (`freezing`, `freeze_graph`), cut out (`sub_graph`, `strip_unused`), simplify for inference
(`optimize_for_inference`, `training_nodes`, `batch_norm`, `constants`); count and show (`summary`, `listing`).
Imports the messages, checkpoints, and thalweg's graphs where a graph must be known with its shapes.
"""
