"""Graphs as messages and back: GraphDef, MetaGraphDef, functions, TensorFlow 1.x's control flow.

`graph_def` and `meta_graph` write, `graph_import` and `meta_graph_import` read; `control_flow` raises Switch and Merge
to `If` and `While`, and lowers these; `imported_files` says what a graph from a file may do with files.
"""
