"""`python -m thalweg`: the `thalweg` command, also where it is not installed."""
from thalweg.commands.main import run

if __name__ == "__main__":
    run()
