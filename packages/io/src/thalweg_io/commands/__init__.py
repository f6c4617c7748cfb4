"""The commands of this package, for `thalweg COMMAND`: name -> module (thalweg.commands.registry says what one is)."""

COMMANDS = {"checkpoint": "thalweg_io.commands.checkpoint", "graph": "thalweg_io.commands.graph"}
