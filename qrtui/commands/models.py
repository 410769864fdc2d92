"""Models: `models`, `pull`."""

from __future__ import annotations

import sys

import click

from qrtui.commands import options


@click.command()
@options.json_flag
def models(as_json: bool) -> None:
    """List the known models: size, licence, whether it is here, memory per precision."""
    import msgspec

    from qrtui.models.listing import rows

    listed = rows()
    if as_json:
        options.print_json(msgspec.to_builtins(listed))
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


@click.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch a model's weights: a catalog name or a hub id. A broken fetch goes on where it was."""
    from qrtui.fetching.progress import FetchProgress
    from qrtui.models.catalog import local_path, resolve
    from qrtui.models.fetch import fetch
    from qrtui.plain import progress_line, stopping_on_signals

    info = resolve(name)
    here = local_path(info)
    if here is not None:
        click.echo(f"{info.name} is here: {here}")
        return
    with progress_line(sys.stderr) as show, stopping_on_signals() as stop:

        def tell(progress: FetchProgress) -> None:
            amount = "" if progress.stage == "convert" else f" {_size(progress.done)} of {_size(progress.total)}"
            show(
                f"{info.name}: {progress.stage}{amount}",
                progress.done / progress.total if progress.total else None,
            )

        folder = fetch(info, tell, stop.stop_event)
    click.echo(f"{info.name} is here: {folder}")


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
