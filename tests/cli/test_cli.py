"""The command line: help, output, exit codes and error lines."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import assert_error, error_line, snnlab
from small_run import ENVIRONMENT, ROOT

from snnlab import cards, cli

COMMANDS = ["models", "simulate", "experiments", "train", "evaluate", "certify", "plot", "bench"]
COMMANDS += ["data list", "data where", "data verify", "data fetch", "data pack", "data show"]
Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


# All of them ----------------------------------------------------------------------------------------------------------


def help_of(command: str, capsys: Caught) -> str:
    code, err, _ = snnlab(capsys, *command.split(), "--help")
    assert code == 0
    return err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: Caught) -> None:
    assert re.search(rf"^  snnlab {command}\b", help_of(command, capsys), re.MULTILINE)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "commands", [COMMANDS[:2], COMMANDS[2:7], COMMANDS[7:8], COMMANDS[8:9]], ids=["cells", "training", "bench", "data"]
)
def test_every_example_runs(commands: list[str], tmp_path: Path, capsys: Caught) -> None:
    """In the order of the help, because some examples use the files of earlier ones."""
    text = "\n".join(help_of(name, capsys) for name in commands)
    (tmp_path / "cell.swc").write_text("1 1 0 0 0 8 -1\n2 3 0 20 0 1 1\n117 3 0 300 0 1 2\n", encoding="utf-8")
    examples = re.findall(r"^  snnlab (.*?)(?:  .*)?$", text, re.MULTILINE)
    assert len(examples) >= len(commands)
    for example in examples:
        arguments, _, file = example.partition(" > ")
        code, out, err = snnlab(capsys, *shlex.split(arguments))
        assert code == 0, f"{example}\n{out}{err}"
        if file:
            (tmp_path / file).write_text(out, encoding="utf-8")


def test_listing_the_models_imports_no_large_package() -> None:
    program = (
        "import sys; sys.argv = ['snnlab', 'models']; from snnlab.cli import main; code = main();"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "snnlab" in loaded
    assert not loaded & {"brian2", "matplotlib", "numpy", "scipy", "sklearn"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["modles"], "No such command 'modles'"),
        (["train"], "Missing argument 'EXPERIMENT'"),
        (["train", "hm2bp-digits", "--epoch", "3"], "No such option.*--epoch"),
        (["train", "hm2bp-digits", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["train", "hm2bp-digits", "--epochs"], "'--epochs' requires an argument"),
        (["models", "lif", "adex"], "unexpected extra argument"),
    ],
)
def test_invalid_usage_is_one_line(arguments: list[str], text: str, capsys: Caught) -> None:
    assert re.search(text, error_line(capsys, *arguments))


def test_without_a_command_the_help_is_printed_and_the_exit_code_is_2(capsys: Caught) -> None:
    code, out, _ = snnlab(capsys)
    assert code == 2
    assert all(name in out for name in COMMANDS[:7])


def test_the_version_is_printed(capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "--version")
    assert code == 0 and re.fullmatch(r"snnlab (\d+\.\d+\.\d+|\(not installed\))\n", out)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), MemoryError("4 TiB"), OSError(28, "No space left on device")])
def test_interrupts_and_system_errors_are_one_line(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(cards, "all_models", fail)
    code, out, err = snnlab(capsys, "models")
    assert code == (130 if isinstance(raised, KeyboardInterrupt) else 2)
    assert out == "" and err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", ["models", "models adex"])
def test_an_unwritable_output_is_one_line(arguments: str) -> None:
    command = [sys.executable, "-m", "snnlab", *arguments.split()]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (2, "output: No space left on device\n")


def test_a_closed_output_is_no_error() -> None:
    command = f'exec "{sys.executable}" -m snnlab models >&-'
    done = subprocess.run(
        ["sh", "-c", command], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# Data -----------------------------------------------------------------------------------------------------------------


def test_the_list_has_all_datasets_and_their_locations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    monkeypatch.setattr("snnlab.datasets.locating.data_folder", lambda: tmp_path / "own")
    code, out, _ = snnlab(capsys, "data", "list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines.keys() - {"id"} == {file.stem for file in (ROOT / "datasets").glob("*.toml")}
    assert lines["digits"].endswith("ships with scikit-learn")
    assert lines["xor"].endswith("on its card")
    assert lines["mnist"].endswith("not found")


def test_missing_or_corrupt_data_has_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    monkeypatch.setattr("snnlab.datasets.locating.data_folder", lambda: tmp_path / "own")
    assert snnlab(capsys, "data", "where", "digits")[0] == 0
    assert snnlab(capsys, "data", "where", "mnist")[0] == 1
    (tmp_path / "mnist").mkdir()
    for file in cards.dataset("mnist").files:
        (tmp_path / "mnist" / file).write_bytes(b"corrupt")
    code, out, _ = snnlab(capsys, "data", "where", "mnist", "--data", tmp_path)
    assert code == 0 and str(tmp_path / "mnist" / "t10k-labels-idx1-ubyte") in out
    code, out, _ = snnlab(capsys, "data", "verify", "mnist", "--data", tmp_path)
    assert code == 1 and out.count(": bad: ") == 4
    assert snnlab(capsys, "data", "verify", "digits")[0] == 0


def test_complete_data_is_verified(mnist_folder: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "data", "verify", "mnist", "--data", mnist_folder)
    assert code == 0 and out.count(": ok") == 4


@pytest.mark.parametrize("command", ["where", "verify", "fetch"])
def test_an_unknown_dataset_is_an_error(command: str, capsys: Caught) -> None:
    assert_error(error_line(capsys, "data", command, "mnits"), "datasets", "mnits", "mnist")


def test_the_declared_entry_point_exists() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'snnlab = "snnlab.cli:main"' in text
    assert callable(cli.main)
