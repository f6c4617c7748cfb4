"""The command line `thalweg COMMAND ...`, also as `python -m thalweg`.

`main` parses, reports errors and gives the exit status; `registry` finds the commands, of this package and others;
`console` is what commands share. Each other module is one command.
"""
