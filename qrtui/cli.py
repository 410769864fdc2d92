"""The commands. Nothing heavy is imported until a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from qrtui import __version__, paths
from qrtui.errors import QrtuiError

if TYPE_CHECKING:
    from qrtui.results.store import Store
    from qrtui.spec import Experiment

_DEMO = "demo"
Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> None:
    """Entry point: every error is one line on stderr and exit status 1; `--debug` shows the traceback."""
    # Before torch is loaded: its threads must sleep, not spin, while the judge or the app needs the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1 or bool(os.environ.get("QRTUI_DEBUG"))
    try:
        sys.exit(cli.main(arguments, prog_name="qrtui", standalone_mode=False) or 0)
    except QrtuiError as error:
        if debug:
            raise
        _fail(str(error))
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "qrtui"
        _fail(f"{' '.join(error.format_message().split())}; see {path} --help")
    except click.ClickException as error:
        _fail(" ".join(error.format_message().split()))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe went away; Python must not complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        _fail(
            f"unexpected {type(error).__name__}: {' '.join(str(error).split())}; run again with --debug and report it"
        )


def _fail(line: str) -> None:
    click.echo(f"qrtui: {line}", err=True)
    sys.exit(1)


def _database(command: Command) -> Command:
    option = click.option(
        "--db",
        "database",
        type=click.Path(path_type=Path),
        help="The database (default: QRTUI_DB, else the user's data folder).",
    )
    return option(command)


def _consent(command: Command) -> Command:
    option = click.option(
        "--allow-unsafe-judge",
        is_flag=True,
        help="Judge even where generated code cannot be isolated from this machine.",
    )
    return option(command)


def _json_flag(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _store(database: Path | None) -> Store:
    from qrtui.results.store import Store

    return Store(database or paths.database())


def _print_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qrtui")
@_database
@_consent
@click.pass_context
def cli(context: click.Context, database: Path | None, allow_unsafe_judge: bool) -> None:
    """See what quantization does to the robustness of code models.

    Without a command, opens the app.
    """
    if context.invoked_subcommand is None:
        if not _has_terminal():
            raise click.UsageError(
                "the app needs a terminal; without one use: qrtui run PRESET, or qrtui demo", context
            )
        context.exit(_open_app(None, database, allow_unsafe_judge))
    context.obj = database


@cli.command()
@_database
@_consent
@click.pass_context
def demo(context: click.Context, database: Path | None, allow_unsafe_judge: bool) -> None:
    """Run the demo: in the app, or as plain text where there is no terminal."""
    from qrtui.presets import load_preset

    experiment = load_preset(_DEMO)
    if _has_terminal():
        context.exit(_open_app(experiment, database or context.obj, allow_unsafe_judge))
    context.exit(_run(experiment, database or context.obj or paths.database(), allow_unsafe_judge, as_json=False))


@cli.command()
@click.argument("preset")
@_database
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many tasks of each data set.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a key of the preset; may be repeated.")
@_consent
@_json_flag
@click.pass_context
def run(
    context: click.Context,
    preset: str,
    database: Path | None,
    limit: int | None,
    overrides: tuple[str, ...],
    allow_unsafe_judge: bool,
    as_json: bool,
) -> None:
    """Run PRESET (a file, or a shipped preset's name) without the app.

    What is in the database is not generated again: a stopped run goes on where it was. Exit status 0 finished, 130
    stopped, 1 error.
    """
    from qrtui.presets import load_preset

    experiment = load_preset(preset, overrides, limit)
    context.exit(_run(experiment, database or context.obj or paths.database(), allow_unsafe_judge, as_json))


def _run(experiment: Experiment, database: Path, allow_unsafe_judge: bool, as_json: bool) -> int:
    from qrtui.plain import run_plainly

    out = sys.stderr if as_json else sys.stdout
    ended, _ = run_plainly(experiment, database, out, allow_unsafe_judge=allow_unsafe_judge)
    if ended.status == "failed":
        click.echo(f"qrtui: {ended.reason}", err=True)
        return 1
    if ended.run is not None:
        from qrtui.results.report import make_report, write_report

        with _store(database) as store:
            report = make_report(store, store.run(str(ended.run)))
        click.echo(write_report(report, "json" if as_json else "text"), nl=False)
    return 0 if ended.status == "finished" else 130


@cli.command()
@click.argument("preset")
@_database
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many tasks of each data set.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a key of the preset; may be repeated.")
@_json_flag
@click.pass_obj
def plan(
    parent: Path | None,
    preset: str,
    database: Path | None,
    limit: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what a run of PRESET would cost, without loading a model."""
    from qrtui.plan import make_plan
    from qrtui.presets import load_preset

    experiment = load_preset(preset, overrides, limit)
    with _store(database or parent) as store:
        made = make_plan(experiment, store)
    if as_json:
        _print_json(made.numbers())
        return
    from qrtui.plain import duration

    time = "unknown" if made.seconds is None else f"about {duration(made.seconds)}"
    memory = "unknown" if made.memory is None else f"{made.memory / 1e6:.0f} MB"
    click.echo(
        f"{experiment.name}: {len(made.conditions)} conditions, {made.total} completions,"
        f" {made.known} known, {made.to_generate} to do"
    )
    click.echo(f"time of generating: {time} on {made.device}; memory for the largest weights: {memory}")


@cli.command()
@_database
@_json_flag
@click.pass_obj
def runs(parent: Path | None, database: Path | None, as_json: bool) -> None:
    """List the runs in the database, the latest first."""
    import msgspec

    with _store(database or parent) as store:
        records = store.runs()
    if as_json:
        _print_json(msgspec.to_builtins(records))
    elif not records:
        click.echo("no runs yet; start one with: qrtui demo")
    else:
        width = max(len(record.name) for record in records)
        for record in records:
            click.echo(
                f"{record.id:>4}  {record.name:<{width}}  {record.status:<8}"
                f"  {record.judged:>6} of {record.total:<6} judged  {record.started}"
            )


@cli.command()
@click.argument("which", metavar="[RUN|latest|paper]", default="latest")
@_database
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "csv", "json", "latex"]),
    default="text",
    show_default=True,
)
@click.pass_obj
def report(parent: Path | None, which: str, database: Path | None, form: Any) -> None:
    """Print a run's table: pass@1, drop, RRS and arrow. `paper` prints the published Table I."""
    from qrtui.results.report import make_report, write_report

    if which == "paper":
        from qrtui.results.published import published_table

        click.echo(write_report(published_table(), form), nl=False)
        return
    with _store(database or parent) as store:
        made = make_report(store, store.run(which))
    click.echo(write_report(made, form), nl=False)


@cli.command()
@click.argument("which", metavar="RUN")
@click.argument("task")
@_database
@click.option("--format", "form", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.pass_obj
def compare(parent: Path | None, which: str, task: str, database: Path | None, form: str) -> None:
    """Print what the original and the quantized models wrote for TASK in RUN (a number, a name, or latest)."""
    from qrtui.errors import TaskError, nearest
    from qrtui.results.case import case_json, case_markdown, case_text

    with _store(database or parent) as store:
        record = store.run(which)
        names = {outcome.task.lower(): outcome.task for outcome in store.outcomes(record.id)}
        name = names.get(task.lower())
        if name is None:
            suggestion = nearest(task, names.values()) or f"it has {', '.join(list(names.values())[:5])} ..."
            raise TaskError(f"run {record.id} has no task {task!r}", suggestion)
        cases = store.cases(record.id, name)
    if form == "json":
        _print_json(case_json(record, name, cases))
    else:
        click.echo((case_markdown if form == "md" else case_text)(record, name, cases), nl=False)


@cli.command()
@click.option("--task", "task_id", help="A task's id, such as Demo/7 or HumanEval/53.")
@click.option("--text", help="Any prompt or sentence.")
@click.option("--kind", required=True, help="The attack: char, ...")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--set",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the attack; may be repeated.",
)
@_json_flag
def attack(
    task_id: str | None, text: str | None, kind: str, seed: int, parameters: tuple[str, ...], as_json: bool
) -> None:
    """Show a prompt before and after an attack."""
    from qrtui.perturb.attack import attack_prompt
    from qrtui.presets import attack_of
    from qrtui.results.case import printable
    from qrtui.tasks.datasets import find_task

    if (task_id is None) == (text is None):
        raise click.UsageError("give either --task ID or --text T", click.get_current_context())
    chosen = attack_of(kind, parameters)
    task = find_task(task_id) if task_id is not None else None
    prompt = task.prompt if task else text or ""
    attacked = attack_prompt(prompt, chosen, seed=seed, task_id=task.task_id if task else "")
    if as_json:
        _print_json(
            {
                "task": task.task_id if task else None,
                "kind": kind,
                "seed": seed,
                "before": attacked.before,
                "after": attacked.after,
                "changed": attacked.changed,
            }
        )
    elif attacked.changed:
        click.echo(
            printable(
                f"before:\n{attacked.before.rstrip()}\n\n"
                f"after ({len(attacked.edits)} changes):\n{attacked.after.rstrip()}"
            )
        )
    else:
        click.echo(printable(f"{attacked.before.rstrip()}\n\n(the attack found nothing to change)"))


@cli.command()
@_json_flag
def models(as_json: bool) -> None:
    """List the known models: size, licence, whether it is here, memory per precision."""
    import msgspec

    from qrtui.models.listing import rows

    listed = rows()
    if as_json:
        _print_json(msgspec.to_builtins(listed))
        return
    names = list(dict.fromkeys(name for row in listed for name in row.memory))
    width = max(len(row.name) for row in listed)
    licences = max(len(row.licence) for row in listed)
    click.echo(
        f"{'model':<{width}}  {'size':>5}  {'licence':<{licences}}  {'here':<14}"
        + "".join(f"{name:>9}" for name in names)
    )
    for row in listed:
        here = "yes" if row.here else f"fetch {_size(row.fetch_bytes)}"
        needs = "".join(f"{_size(row.memory.get(name)):>9}" for name in names)
        click.echo(f"{row.name:<{width}}  {row.size:>5}  {row.licence:<{licences}}  {here:<14}{needs}")
    click.echo(
        "\nThe columns on the right say what the weights take in memory. Any hub id, folder or .gguf file serves too."
    )


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@cli.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch a model's weights: a catalog name or a hub id."""
    from qrtui.models.catalog import local_path, resolve
    from qrtui.models.fetch import FetchProgress, fetch

    info = resolve(name)
    here = local_path(info)
    if here is not None:
        click.echo(f"{info.name} is here: {here}")
        return
    with _progress_line() as show:

        def tell(progress: FetchProgress) -> None:
            amount = "" if progress.stage == "convert" else f" {_size(progress.done)} of {_size(progress.total)}"
            show(
                f"{info.name}: {progress.stage}{amount}",
                progress.done / progress.total if progress.total else None,
            )

        folder = fetch(info, tell)
    click.echo(f"{info.name} is here: {folder}")


def _progress_line() -> Any:
    from qrtui.plain import progress_line

    return progress_line(sys.stderr)


@cli.command()
@_database
@_json_flag
@click.pass_context
def doctor(context: click.Context, database: Path | None, as_json: bool) -> None:
    """Try what a run needs, and say what to do about what is missing. Exit status 1 if a run cannot work."""
    import msgspec

    from qrtui.doctor import examine

    checks = []
    for check in examine(database or context.obj or paths.database()):
        checks.append(check)
        if not as_json:
            click.echo(f"{'ok ' if check.ok else 'BAD'}  {check.name:<10} {check.found}")
            if check.way_out:
                click.echo(f"     {'':<10} -> {check.way_out}")
    ok = all(check.ok for check in checks)
    if as_json:
        _print_json({"ok": ok, "checks": msgspec.to_builtins(checks)})
    context.exit(0 if ok else 1)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _open_app(experiment: Experiment | None, database: Path | None, allow_unsafe_judge: bool) -> int:
    from qrtui.tui.app import open_app

    return open_app(
        database or paths.database(),
        experiment=experiment,
        start=experiment is not None,
        allow_unsafe_judge=allow_unsafe_judge,
    )
