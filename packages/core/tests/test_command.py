"""The `thalweg` command: which commands there are, errors, exit statuses, pipes and Ctrl-C."""
import os
import signal
import subprocess
import sys

import pytest

import thalweg
from thalweg.commands import console, main, registry
from thalweg.framework import errors

COMMANDS = {
    "greet": '"""`thalweg greet`: says 100 % hello."""\n'
             "def add_parser(subparsers):\n"
             "    parser = subparsers.add_parser('greet')\n"
             "    parser.add_argument('--status', type=int)\n"
             "    parser.set_defaults(func=lambda options: print('hello') or options.status)\n",
    "chatty": '"""Prints and prints."""\nimport time\n'
              "def add_parser(subparsers):\n    subparsers.add_parser('chatty').set_defaults(func=chat)\n"
              "def chat(options):\n    while True:\n        print('y' * 4000, flush=True)\n        time.sleep(0.01)\n",
    "broken": '"""`thalweg broken`: is."""\nraise RuntimeError("nobody imports this for --help")\n',
    "raising": "from thalweg.framework import errors\n"
               "def add_parser(subparsers):\n    subparsers.add_parser('raising').set_defaults(func=fail)\n"
               "def fail(options):\n"
               "    raise errors.NotFoundError(None, None, 'there is no\\n  file \\x1b[31mred')\n",
    "wrong": "def add_parser(subparsers):\n"
             "    subparsers.add_parser('wrong').set_defaults(func=lambda options: 1 / 0)\n",
}


@pytest.fixture
def process(tmp_path):
    """Starts the command in an environment in which a package with the commands above is installed."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[thalweg.commands]\n" + "".join(f"{n} = acme_{n}\n" for n in COMMANDS))
    for name, source in COMMANDS.items():
        (tmp_path / f"acme_{name}.py").write_text(source)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))

    def start(*arguments, **options):
        return subprocess.Popen([sys.executable, "-m", "thalweg", *arguments], stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}, **options)
    return start


@pytest.fixture
def run(process):
    """(exit status, stdout, stderr) of the command."""
    def command(*arguments):
        child = process(*arguments)
        stdout, stderr = child.communicate(timeout=60)
        return child.returncode, stdout, stderr
    return command


def test_help_lists_every_command_and_imports_none(run):
    status, stdout, stderr = run("--help")
    lines = dict(f"{line} .".split(None, 1) for line in stdout.splitlines() if line[:2] == "  ")
    assert (status, stderr) == (0, "")
    assert lines["greet"] == "says 100 % hello ." and lines["chatty"] == "Prints and prints ."
    assert lines["broken"] == "is ." and lines["devices"].startswith("all devices")
    assert "checkpoint" in lines and "Exit status" in stdout


def test_the_version(run):
    assert run("--version") == (0, f"thalweg {thalweg.__version__}\n", "")


def test_a_command_of_another_package_gives_the_status(run):
    assert run("greet") == (0, "hello\n", "")
    assert run("greet", "--status", "1") == (1, "hello\n", "")


def test_an_error_is_one_harmless_line(run):
    status, stdout, stderr = run("raising")
    assert (status, stdout) == (2, "")
    assert stderr == "thalweg raising: there is no; file \\x1b[31mred\n"


def test_an_error_with_its_traceback(run):
    status, _, stderr = run("--traceback", "raising")
    assert status == 2 and "in fail" in stderr and stderr.endswith("red\n")


def test_a_defect_has_a_status_of_its_own(run):
    status, _, stderr = run("wrong")
    assert status == 3 and "ZeroDivisionError" in stderr and "please report" in stderr


@pytest.mark.parametrize("arguments", [["greet", "--colour"], ["greet", "--status", "red"], ["--colour"]])
def test_wrong_usage(run, arguments):
    status, _, stderr = run(*arguments)
    assert status == 2 and stderr.startswith("usage: thalweg ") and "Traceback" not in stderr


def test_an_unknown_command_names_those_there_are(run):
    status, _, stderr = run("greeet")
    assert status == 2 and "there is no command 'greeet'; there are devices, card, " in stderr and "greet" in stderr


def test_a_reader_that_goes_is_no_error(process):
    child = process("chatty")
    assert child.stdout.readline().startswith("yyy")
    child.stdout.close()
    assert child.wait(60) == 141
    assert child.stderr.read() == ""


@pytest.mark.skipif(os.name != "posix", reason="processes do not end by signals here")
def test_ctrl_c_ends_the_process_by_its_signal(process):
    heeds = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)        # which a shell may have told to ignore
    child = process("chatty", preexec_fn=heeds)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == -signal.SIGINT
    assert "Traceback" not in child.stderr.read()


def test_ctrl_c_is_a_status(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(main, "_run", interrupted)
    assert main.main(["devices"]) == 130


def test_devices_and_cards(run):
    assert "/device:CPU:0" in run("devices")[1]
    assert run("card", "Softplus")[1].startswith("Softplus\n")
    status, _, stderr = run("card", "Softplos")
    assert status == 2 and "Near: Softplus" in stderr


def test_packages_that_bring_devices_are_listed(run, tmp_path):
    (tmp_path / "acme-1.0.dist-info/entry_points.txt").write_text("[thalweg.devices]\nacme = acme_device:plugin\n")
    _, stdout, _ = run()
    packages = stdout.partition("\n\n")[0].splitlines()[1:]
    assert "  acme: installed" in packages and not [line for line in packages if "thalweg-core" in line]
    assert any(line.startswith("acme ") and "acme_device" in line for line in stdout.splitlines())


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setattr(registry, "_first_party", lambda: dict(registry.CORE))
    with pytest.raises(SystemExit) as exit_:
        main.main(["checkpoint", "list", "x"])
    assert exit_.value.code == 2 and "pip install" in capsys.readouterr().err
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    assert registry.how_to_install("checkpoint") == "pip install thalweg-io"
    assert registry.summary_of("checkpoint", None) == "pip install thalweg-io"


def test_help_of_a_module_that_is_not_there():
    assert registry.help_of("no_such_package.command").startswith("cannot be used (ModuleNotFoundError")


def test_memory_that_is_short_is_said():
    assert main.one_line(MemoryError("1 TB")) == "not enough memory: 1 TB"
    assert main.one_line(errors.DataLossError(None, None, "")) == "DataLossError"


def test_importing_the_command_imports_no_other_package():
    program = ("import sys; from thalweg.commands import main; main.main(['devices'])\n"
               "print(sorted(m for m in sys.modules if m.partition('.')[0] in ('thalweg_io', 'google')))")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ,
                          check=True).stdout.endswith("[]\n")


# --- the console ------------------------------------------------------------------------------------

def test_tables_align_letters_of_any_width():
    rows = [("naïve", "1"), ("变量/核", "10"), ("e\u0301", "100")]
    assert list(console.table(rows, "<>", ("name", "bytes"))) == [
        "name     bytes", "naïve        1", "变量/核     10", "e\u0301          100"]


def test_an_empty_table_has_no_lines():
    assert list(console.table([], "<<")) == []


def test_control_characters_are_escaped():
    assert console.printable("a\x1b[0m\nb\udcff") == "a\\x1b[0m\\nb\\udcff"
    assert console.printable("größe") == "größe"
