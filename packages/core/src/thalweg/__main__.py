"""`python -m thalweg`: the version, which of the packages are there, the devices, and the commands."""
import thalweg
from thalweg import devices
from thalweg._surface import tables

_COMMANDS = {"thalweg.card [OP]": "what is declared of an op; without one, the list of ops",
             "thalweg.devices": "all devices, and why one cannot be used (--isolate, --verbose)"}


def main():
    installed = tables.first_party_tables()
    print(f"thalweg {thalweg.__version__}")
    for distribution in tables.FIRST_PARTY.values():
        print(f"  {distribution}: {'installed' if distribution in installed else f'pip install {distribution}'}")
    print(f"\n{devices.list_devices()}\n")
    for command, text in _COMMANDS.items():
        print(f"python -m {command:<18} {text}")


if __name__ == "__main__":
    main()
