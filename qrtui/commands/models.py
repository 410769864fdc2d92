"""Models: `models`, `pull`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qrtui.commands import options

if TYPE_CHECKING:
    from qrtui.fetching.progress import ProgressListener


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
    """Fetch a model's weights (a catalog name or a hub id), or an attack's data: wordnet, mbart-50, ...

    A broken fetch goes on where it was.
    """
    from qrtui.fetching.progress import FetchProgress
    from qrtui.plain import progress_line, stopping_on_signals

    called, here, bring = _what(name)
    if here is None:
        with progress_line(sys.stderr) as show, stopping_on_signals() as stop:

            def tell(progress: FetchProgress) -> None:
                amount = "" if progress.stage == "convert" else f" {_size(progress.done)} of {_size(progress.total)}"
                show(f"{called}: {progress.stage}{amount}", progress.done / progress.total if progress.total else None)

            here = bring(tell, stop.stop_event)
    click.echo(f"{called} is here: {here}")


def _what(name: str) -> tuple[str, Path | None, Callable[[ProgressListener, threading.Event], Path]]:
    """What a name to pull means: what it is called, where it is if it is here, and how to fetch it."""
    from qrtui.errors import ModelError, nearest
    from qrtui.models.catalog import local_path, resolve
    from qrtui.models.fetch import fetch
    from qrtui.perturb.assets import asset_path, assets, fetch_asset, find_asset

    if asset := find_asset(name):
        return asset.name, asset_path(asset.name), lambda tell, stop: fetch_asset(asset.name, tell, stop)
    try:
        info = resolve(name)
    except ModelError as error:
        close = nearest(name, [asset.name for asset in assets()])
        raise ModelError(error.problem, close or error.way_out) from None
    return info.name, local_path(info), lambda tell, stop: fetch(info, tell, stop)


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
