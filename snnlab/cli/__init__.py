"""The command line.

Modules that a command needs are imported when it runs, so that listing the models does not wait for Brian2.
"""

from __future__ import annotations

import io
import sys
import warnings
from importlib import metadata
from typing import Annotated, cast

import typer

from snnlab.cli import bench, cells, data, experiments, runs, training
from snnlab.cli.signals import Interrupted
from snnlab.errors import InputError

# typer uses its own click or the installed one, depending on its version; BadParameter derives from UsageError in both
_USAGE = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
data_commands = typer.Typer(help="Find, verify, download and plot datasets.")
app.command()(cells.models)
app.command()(cells.simulate)
app.command()(experiments.experiments)
app.command()(training.train)
app.command()(runs.evaluate)
app.command()(runs.certify)
app.command()(runs.plot)
app.command()(bench.bench)
app.add_typer(data_commands, name="data")
data_commands.command("list")(data.list_all)
data_commands.command()(data.where)
data_commands.command()(data.verify)
data_commands.command()(data.fetch)
data_commands.command()(data.pack)
data_commands.command()(data.show)


@app.callback(invoke_without_command=True)
def snnlab(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Simulate and train spiking neural networks.

    \b
    snnlab models                                     list the cell and synapse models
    snnlab simulate pinsky_rinzel --plot cell.png     simulate a cell with an injected current
    snnlab train hm2bp-digits                         train a network to classify digits
    """
    if version:
        print(f"snnlab {_version()}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main() -> int:
    """Run a command and return its exit code: 0 success, 1 negative result, 2 error, 130 or 143 stopped by a signal."""
    sys.stdout = sys.stdout or io.StringIO()  # None if the caller closed it
    warnings.formatwarning = lambda message, *_, **__: f"warning: {' '.join(str(message).split())}\n"
    try:
        code = int(app(standalone_mode=False) or 0)
        sys.stdout.flush()
    except InputError as error:
        return _fail(str(error), 2)
    except _USAGE as error:
        return _fail(f"{' '.join(error.format_message().split()).rstrip('.')}; see --help", 2)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", 2)
    except OSError as error:  # writing to stdout failed, or a path is invalid on this system
        sys.stdout = io.StringIO()  # otherwise Python writes to it again at exit
        return _fail(f"{error.filename or 'output'}: {error.strerror or error}", 2)
    except Interrupted as interrupted:
        return _fail(str(interrupted), interrupted.code)
    except (KeyboardInterrupt, typer.Abort):
        code = 130  # newer versions of typer return this code themselves
    return _fail("stopped", 130) if code == 130 else code


def _fail(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _version() -> str:
    try:
        return metadata.version("snnlab-brian")
    except metadata.PackageNotFoundError:
        return "(not installed)"
