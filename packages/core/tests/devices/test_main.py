"""`python -m thalweg.devices`, in processes of their own, with installed packages that are good and bad."""
import pytest

PLUGINS = {
    "good": "from thalweg.devices import DevicePlugin\nfrom thalweg.testing import ctypes_abi\n"
            "native = ctypes_abi.Plugin()\nplugin = DevicePlugin('GOOD', native.open)",
    "raising": "raise ImportError('no libraising.so')",
    "telling": "from thalweg.devices import DevicePlugin\nfrom thalweg.testing.delayed_device import Delayed\n"
               "class Telling(Delayed):\n    def describe(self, i):\n"
               "        return {'name': 'Acme 9', 'driver': '1.2', 'lacks': ['libacme is too old', 'and more']}\n"
               "plugin = DevicePlugin('TELLING', Telling, addresses=True)",
    "failing": "from thalweg.devices import DevicePlugin\nfrom thalweg.testing.delayed_device import Delayed\n"
               "class Failing(Delayed):\n    def describe(self, i):\n        raise OSError('no such register')\n"
               "plugin = DevicePlugin('FAILING', Failing, addresses=True)",
    "leaving": "import sys\nsys.exit('goodbye')",
    "crashing": "import ctypes\nfrom thalweg.devices import DevicePlugin\n"
                "plugin = DevicePlugin('CRASHING', lambda: ctypes.string_at(8))",
}


@pytest.fixture
def run(install, python):
    """Runs the command in an environment in which the named packages are installed."""
    def command(names, *arguments, **environ):
        for name in names:
            install(name, PLUGINS[name])
        return python("-m", "thalweg.devices", *arguments, **environ)
    return command


def test_the_table_has_a_row_for_each(run):
    done = run(["good", "raising", "leaving"])
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.returncode == 0
    assert "/device:GOOD:0" in lines and "/device:CPU:0" in lines
    assert "ImportError: no libraising.so" in lines["raising"] and "SystemExit: goodbye" in lines["leaving"]


def test_tracebacks_on_request(run):
    assert "raise ImportError('no libraising.so')" in run(["raising"], "--verbose").stdout


def test_what_devices_tell_on_request(run):
    told = run(["telling"], "--verbose").stdout
    assert "/device:TELLING:0:\n  name: Acme 9\n  driver: 1.2\n  bytes_in_use: 0\n" in told
    assert "Acme" not in run([]).stdout


def test_what_an_open_device_lacks_is_the_reason_of_its_row(run):
    line, = [line for line in run(["telling"]).stdout.splitlines() if line.startswith("/device:TELLING:0")]
    assert line.split()[1] == "open" and line.endswith("  libacme is too old; and more")


def test_a_device_that_cannot_tell_about_itself_has_a_row(run):
    line, = [line for line in run(["failing"]).stdout.splitlines() if line.startswith("/device:FAILING:0")]
    assert line.split()[1] == "open" and "it cannot tell about itself: " in line and "no such register" in line


def test_a_crash_is_named(run):
    done = run(["good", "crashing"], "--isolate")
    assert done.returncode == 1, done.stderr
    assert "good: open: /device:GOOD:0" in done.stdout
    assert "crashing: killed by SIGSEGV while it was opened" in done.stdout


def test_a_blocked_plugin_does_not_crash(run):
    done = run(["crashing"], THALWEG_BLOCK="crashing")
    assert done.returncode == 0 and "THALWEG_BLOCK=crashing" in done.stdout
