"""The machine: `doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from qrtui import paths
from qrtui.commands import options


@click.command()
@options.database
@options.json_flag
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
        options.print_json({"ok": ok, "checks": msgspec.to_builtins(checks)})
    context.exit(0 if ok else 1)
