"""The command line: one group of commands, and the net that turns every error into one line."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import click

from qrtui import __version__
from qrtui.commands import options
from qrtui.commands.charts import chart
from qrtui.commands.exchange import export_command, import_command
from qrtui.commands.judge import judge
from qrtui.commands.keys import keys
from qrtui.commands.machine import doctor
from qrtui.commands.models import models, pull
from qrtui.commands.playground import try_
from qrtui.commands.prompts import attack
from qrtui.commands.report import report
from qrtui.commands.results import compare, runs
from qrtui.commands.running import demo, has_terminal, open_app, plan, run
from qrtui.discreet import discreet
from qrtui.errors import QrtuiError
from qrtui.printable import filter_standard_streams


def main() -> None:
    """Entry point: every error is one line on stderr and exit status 1; `--debug` shows the traceback."""
    # Before torch is loaded: its threads must sleep, not spin, while the judge or the app needs the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # But not at once: some microseconds of spinning bridge the gap to the next of a step's thousand operations.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    # numpy multiplies small matrices here, for intervals: threads for that cost more than they do.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    filter_standard_streams()
    debug = len(arguments) < len(sys.argv) - 1 or bool(os.environ.get("QRTUI_DEBUG"))
    try:
        sys.exit(cli.main(arguments, prog_name="qrtui", standalone_mode=False) or 0)
    except QrtuiError as error:
        if debug:
            raise
        _fail(str(error))
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "qrtui"
        _fail(f"{' '.join(error.format_message().split()).rstrip('.')}; see {path} --help")
    except click.ClickException as error:
        _fail(" ".join(error.format_message().split()))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does.
        from qrtui.plain import silence

        silence(sys.stdout)
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.filename is not None:
            _fail(f"{discreet(str(error.filename))}: {error.strerror}; check the path, and what you may do there")
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail("what it writes to has no space left; make room, or write to another place")
        said = " ".join(discreet(str(error)).split())
        _fail(f"unexpected {type(error).__name__}: {said}; run again with --debug and report it")


def _fail(line: str) -> None:
    click.echo(f"qrtui: {line}", err=True)
    sys.exit(1)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qrtui")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@options.database
@options.consent
@click.pass_context
def cli(context: click.Context, database: Path | None, allow_unsafe_judge: bool) -> None:
    """See what quantization does to the robustness of code models.

    Without a command, opens the app.
    """
    if context.invoked_subcommand is None:
        if not has_terminal():
            raise click.UsageError(
                "the app needs a terminal; without one use: qrtui run PRESET, or qrtui demo", context
            )
        context.exit(open_app(None, database, allow_unsafe_judge))
    context.obj = database


for command in (
    demo,
    run,
    plan,
    runs,
    report,
    chart,
    compare,
    export_command,
    import_command,
    attack,
    try_,
    judge,
    models,
    pull,
    doctor,
    keys,
):
    cli.add_command(command)
