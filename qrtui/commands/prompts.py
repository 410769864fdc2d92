"""Prompts: `attack`."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from qrtui.commands import options
from qrtui.counting import counted
from qrtui.perturb.naming import perturbation_name
from qrtui.printable import printable, unfiltered

if TYPE_CHECKING:
    from qrtui.attacking import Attacker
    from qrtui.perturb.attack import Attack, AttackedPrompt
    from qrtui.perturb.attacks.sentence import SentenceAttack
    from qrtui.perturb.strength import SetStrength, Strength, Summary
    from qrtui.tasks.task import Task


class _KindOption(click.Option):
    """`--kind`, whose help lists the attacks there are when help is asked for, not before."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from qrtui.perturb.attacks import ATTACKS

        self.help = f"The attack: {', '.join(ATTACKS)}. With --dataset it may be repeated."
        return super().get_help_record(ctx)


@click.command()
@click.option("--task", "task_id", help="A task's id, such as Demo/7 or HumanEval/53.")
@click.option("--text", help="Any prompt or sentence.")
@click.option("--dataset", help="A whole data set (or .jsonl file): how strong the attack is on it.")
@click.option("--kind", "kinds", cls=_KindOption, required=True, multiple=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--set",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the attack; may be repeated.",
)
@options.json_flag
def attack(
    task_id: str | None,
    text: str | None,
    dataset: str | None,
    kinds: tuple[str, ...],
    seed: int,
    parameters: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show a prompt before and after an attack, or how strong attacks are on a data set."""
    from qrtui.presets import attack_of

    if [task_id, text, dataset].count(None) != 2:
        raise click.UsageError("give one of --task ID, --text T and --dataset NAME", click.get_current_context())
    if len(kinds) > 1 and (dataset is None or parameters):
        what = "--set is for one --kind" if dataset is not None else "give one --kind; several need --dataset"
        raise click.UsageError(what, click.get_current_context())
    chosen = [attack_of(kind, parameters) for kind in dict.fromkeys(kinds)]
    if dataset is not None:
        _show_strengths(dataset, chosen, seed, as_json)
    else:
        _show_prompt(task_id, text or "", chosen[0], seed, as_json)


def _translations(attack: Attack, prompts: Sequence[str]) -> Mapping[str, str]:
    """What the sentence attack is given for these prompts: what is known, and what a translator at hand adds."""
    from qrtui.attacking import Attacker
    from qrtui.perturb.attacks.sentence import SentenceAttack
    from qrtui.perturb.translation.engine import is_available
    from qrtui.plain import stopping_on_signals
    from qrtui.preparing import translate

    if not isinstance(attack, SentenceAttack):
        return {}
    with contextlib.ExitStack() as opened:
        attacker = Attacker(None, seed=0)
        if not _lacking(attacker, attack, prompts):
            return attacker.translations(attack.engine)
        store = opened.enter_context(options.open_store(click.get_current_context().obj))
        attacker = Attacker(store, seed=0)
        lacking = _lacking(attacker, attack, prompts)
        if lacking and is_available(attack.engine):
            stop = opened.enter_context(stopping_on_signals())
            translate(attack.engine, lacking, store, lambda event: None, stop.stop_event)
        return Attacker(store, seed=0).translations(attack.engine)


def _lacking(attacker: Attacker, attack: SentenceAttack, prompts: Sequence[str]) -> list[str]:
    """The sentences of the prompts whose translations are not known."""
    for prompt in prompts:
        attacker.attack_text(attack, prompt)
    return attacker.lacking_sentences.get(attack.engine, [])


def _show_prompt(task_id: str | None, text: str, chosen: Attack, seed: int, as_json: bool) -> None:
    from qrtui.perturb.attack import attack_prompt
    from qrtui.perturb.strength import strength_of
    from qrtui.tasks.datasets import find_task

    task = find_task(task_id) if task_id is not None else None
    prompt = task.prompt if task else text
    attacked = attack_prompt(
        prompt,
        chosen,
        seed=seed,
        task_id=task.task_id if task else "",
        translations=_translations(chosen, [prompt]),
    )
    strength = strength_of(attacked)
    if as_json:
        options.print_json(_prompt_json(task, chosen, seed, attacked, strength))
    else:
        coloured = _in_colour()
        lines = _prompt_lines(chosen, seed, attacked, strength, coloured=coloured)
        click.echo("\n".join(lines), file=unfiltered(sys.stdout) if coloured else None)


def _prompt_json(
    task: Task | None, chosen: Attack, seed: int, attacked: AttackedPrompt, strength: Strength
) -> dict[str, Any]:
    import msgspec

    return {
        "task": task.task_id if task else None,
        "kind": chosen.kind(),
        "seed": seed,
        "before": attacked.before,
        "after": attacked.after,
        "changed": attacked.changed,
        "label": chosen.label,
        "level": chosen.level,
        "paper": _in_paper(chosen),
        "parameters": chosen.parameters(),
        "edits": [edit._asdict() for edit in attacked.edits],
        "touches_code": attacked.touches_code,
        "strength": msgspec.to_builtins(strength),
    }


def _prompt_lines(
    chosen: Attack, seed: int, attacked: AttackedPrompt, strength: Strength, *, coloured: bool
) -> Iterable[str]:
    if not attacked.changed:
        yield f"{printable(attacked.before.rstrip())}\n\n(the attack found nothing to change)"
        return
    before, after = _coloured(attacked) if coloured else (printable(attacked.before), printable(attacked.after))
    changes = counted(len(attacked.edits), "change")
    yield f"before:\n{before.rstrip()}\n"
    yield f"after ({printable(perturbation_name(chosen.label))}, seed {seed}, {changes}):\n{after.rstrip()}\n"
    if not coloured:
        yield "changed lines:"
        yield from (printable(line) for line in _changed_lines(attacked.before, attacked.after))
        yield ""
    words = counted(strength.eligible, "word")
    yield (
        f"{counted(strength.characters, 'character')} and {strength.words} of {words} changed,"
        f" similarity {strength.similarity:.3f}"
    )
    if attacked.touches_code:
        yield "this prompt differs in code too, not only in its natural language"


def _in_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(attacked: AttackedPrompt) -> tuple[str, str]:
    """Both prompts with what goes in red and what comes in green."""
    before, after, at = [], [], 0
    for start, end, replacement in attacked.edits:
        same = printable(attacked.before[at:start])
        gone, come = printable(attacked.before[start:end]), printable(replacement)
        before += [same, click.style(gone, fg="red", underline=True) if gone else ""]
        after += [same, click.style(come, fg="green", bold=True, underline=True) if come else ""]
        at = end
    rest = printable(attacked.before[at:])
    return "".join([*before, rest]), "".join([*after, rest])


def _changed_lines(before: str, after: str) -> Iterable[str]:
    """The lines that differ: as they were, as they are, and a line of carets under what is new in them."""
    ours, theirs = before.split("\n"), after.split("\n")
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        pairs = min(b - a, d - c)
        for old, new in zip(ours[a : a + pairs], theirs[c : c + pairs], strict=True):
            yield from (f"- {old}", f"+ {new}", f"  {_carets(old, new)}".rstrip())
        yield from (f"- {old}" for old in ours[a + pairs : b])
        yield from (f"+ {new}" for new in theirs[c + pairs : d])


def _carets(old: str, new: str) -> str:
    """Carets under what is new in `new`: letters where a word kept its length, else the whole word."""
    from qrtui.perturb.attack import edits_between

    places: set[int] = set()
    shift = 0
    for start, end, replacement in edits_between(old, new):
        if len(replacement) == end - start and not re.search(r"\s", old[start:end] + replacement):
            places.update(start + shift + at for at in range(end - start) if replacement[at] != old[start + at])
        else:
            places.update(range(start + shift, start + shift + max(len(replacement), 1)))
        shift += len(replacement) - (end - start)
    marks = ["^" if at in places else "\t" if new[at : at + 1] == "\t" else " " for at in range(max(places) + 1)]
    wide = [unicodedata.east_asian_width(letter) in "WF" for letter in new[: len(marks)]] + [False]
    return "".join(mark * (1 + double) for mark, double in zip(marks, wide, strict=False))


def _show_strengths(dataset: str, attacks: Sequence[Attack], seed: int, as_json: bool) -> None:
    from qrtui.perturb.attack import attack_prompt
    from qrtui.perturb.strength import overall, strength_of
    from qrtui.tasks.datasets import load_tasks

    tasks = load_tasks(dataset)
    rows: list[tuple[Attack, SetStrength, int]] = []
    for chosen in attacks:
        translations = _translations(chosen, [task.prompt for task in tasks])
        attacked = [
            attack_prompt(task.prompt, chosen, seed=seed, task_id=task.task_id, translations=translations)
            for task in tasks
        ]
        in_code = sum(one.touches_code for one in attacked)
        rows.append((chosen, overall(map(strength_of, attacked)), in_code))
    if as_json:
        entries = [_strength_json(*row) for row in rows]
        options.print_json({"dataset": dataset, "seed": seed, "attacks": entries})
    else:
        click.echo("\n".join(_strength_lines(dataset, len(tasks), seed, rows)))


def _strength_json(chosen: Attack, strength: SetStrength, in_code: int) -> dict[str, Any]:
    numbers = {name: getattr(strength, name)._asdict() for name in ("characters", "words", "word_share", "similarity")}
    return {
        "kind": chosen.kind(),
        "label": chosen.label,
        "level": chosen.level,
        "paper": _in_paper(chosen),
        "prompts": strength.prompts,
        "changed": strength.changed,
        "share_changed": strength.share_changed,
        "touches_code": in_code,
        **numbers,
    }


def _strength_lines(
    dataset: str, prompts: int, seed: int, rows: Sequence[tuple[Attack, SetStrength, int]]
) -> Iterable[str]:
    head = ("attack", "paper", "changed", "characters", "words", "share of words", "similarity")
    body = [
        (
            perturbation_name(chosen.label),
            _in_paper(chosen),
            f"{strength.changed} ({strength.share_changed:.0%})",
            _two(strength.characters, ".1f"),
            _two(strength.words, ".1f"),
            _two(strength.word_share, ".0%"),
            _two(strength.similarity, ".3f"),
        )
        for chosen, strength, _ in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    yield f"{dataset}: {counted(prompts, 'prompt')}, seed {seed}; a prompt's mean (median), unchanged ones included"
    yield ""
    for row in (head, *body):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for chosen, _, in_code in rows:
        if in_code:
            yield f"{perturbation_name(chosen.label)} differs in code too in {in_code} of {counted(prompts, 'prompt')}"


def _in_paper(chosen: Attack) -> str:
    """Whether the paper's attack is this very one, or one of its kind with other parameters."""
    if not chosen.published():
        return "no"
    return "yes" if chosen.label == chosen.kind() else "altered"


def _two(summary: Summary, form: str) -> str:
    return f"{summary.mean:{form}} ({summary.median:{form}})"
