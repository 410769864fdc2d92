"""The app's keys: `keys`."""

from __future__ import annotations

import click

from qrtui.commands import options


@click.command()
@options.json_flag
def keys(as_json: bool) -> None:
    """List the app's actions with their ids and keys, as the settings file sets them."""
    from qrtui.settings import read_settings, settings_file
    from qrtui.tui.keys import key_rows, usable_keys

    usable, problems = usable_keys(read_settings().keys)
    rows = key_rows(usable)
    if as_json:
        listed = [{"id": row.id, "keys": [*row.keys], "room": row.room, "does": row.meaning} for row in rows]
        options.print_json({"file": str(settings_file()), "keys": listed, "problems": problems})
        return
    width = max(len(row.id) for row in rows)
    for row in rows:
        click.echo(f"{row.id:<{width}}  {', '.join(row.keys):<14} {row.meaning}")
    click.echo(f'\nTo change one, write for example  {rows[0].id} = "f1"  under [keys] in {settings_file()}')
    for line in problems:
        click.echo(f"qrtui: {line}", err=True)
