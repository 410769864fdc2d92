"""What it takes to repeat the runs of a table: a section for each, below it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from qrtui.results.grid import wrapped
from qrtui.results.provenance import Provenance, provenance_lines


def repeat_text(repeat: Mapping[str, Provenance], width: int = 120) -> list[str]:
    """Paragraphs of text of at most `width` characters, three for each run; `repeat` is by the run's label."""
    return [
        part
        for label, found in repeat.items()
        for part in (
            f"To repeat {label}",
            "\n".join(wrapped(line, width) for line in provenance_lines(found)),
            textwrap.indent(found.preset.rstrip("\n"), "    "),
        )
    ]


def repeat_markdown(repeat: Mapping[str, Provenance]) -> list[str]:
    """The same as Markdown."""
    return [
        part
        for label, found in repeat.items()
        for part in (
            f"## To repeat {label}",
            "\n".join(f"- {line}" for line in provenance_lines(found)),
            f"```toml\n{found.preset.rstrip()}\n```",
        )
    ]


def repeat_lines(repeat: Mapping[str, Provenance]) -> list[str]:
    """The same as single lines, for comments."""
    return [line for part in repeat_text(repeat) for line in ("", *part.splitlines())]
