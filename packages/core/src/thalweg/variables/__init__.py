"""Variables: the reference variable, get_variable and variable scopes, variables in parts, initializers.

May import framework and ops.
"""
