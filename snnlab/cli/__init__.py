"""The command line: words into calls.

What a command needs is imported when it runs: listing the models must not wait for Brian2.
"""

from __future__ import annotations

import io
import sys
import warnings
from importlib import metadata
from typing import Annotated, cast

import typer

from snnlab.cli import bench, cells, data, training
from snnlab.cli.signals import Interrupted
from snnlab.errors import InputError

# typer brings its own click or uses the one installed, by version; in both, BadParameter is an error of usage
_USAGE = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
folder = typer.Typer(help="Find, check, download and draw datasets.")
app.command()(cells.models)
app.command()(cells.simulate)
app.command()(training.experiments)
app.command()(training.train)
app.command()(training.evaluate)
app.command()(training.certify)
app.command()(training.plot)
app.command()(bench.bench)
app.add_typer(folder, name="data")
folder.command("list")(data.list_all)
folder.command()(data.where)
folder.command()(data.verify)
folder.command()(data.fetch)
folder.command()(data.pack)
folder.command()(data.show)


@app.callback(invoke_without_command=True)
def snnlab(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    """A laboratory for learning in spiking networks.

    \b
    snnlab models                                     the shelf of cells and synapses
    snnlab simulate pinsky_rinzel --plot cell.png     one of them under a current
    snnlab train hm2bp-digits                         a network that learns to read digits
    """
    if version:
        print(f"snnlab {_version()}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main() -> int:
    """Run the command given: 0 on success, 1 for a negative answer, 2 after a refusal, 130 or 143 after a signal."""
    sys.stdout = sys.stdout or io.StringIO()  # None where the caller closed it
    warnings.formatwarning = lambda message, *_, **__: f"warning: {' '.join(str(message).split())}\n"
    try:
        code = int(app(standalone_mode=False) or 0)
        sys.stdout.flush()
    except InputError as refusal:
        return _stop(str(refusal), 2)
    except _USAGE as error:
        return _stop(f"{' '.join(error.format_message().split()).rstrip('.')}; see --help", 2)
    except MemoryError as error:
        return _stop(f"not enough memory: {error}", 2)
    except OSError as error:  # of the output, and of paths that no system can have
        sys.stdout = io.StringIO()  # or Python would try again as it ends
        return _stop(f"{error.filename or 'output'}: {error.strerror or error}", 2)
    except Interrupted as interrupted:
        return _stop(str(interrupted), interrupted.code)
    except (KeyboardInterrupt, typer.Abort):
        code = 130  # which newer versions of typer give themselves
    return _stop("stopped", 130) if code == 130 else code


def _stop(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _version() -> str:
    try:
        return metadata.version("snnlab-brian")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"
