"""The Playground without the app: `try`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from qrtui import paths
from qrtui.commands import options
from qrtui.perturb.naming import perturbation_name

if TYPE_CHECKING:
    from qrtui.events import Event
    from qrtui.judge.verdict import Verdict
    from qrtui.playground.turn import Turn
    from qrtui.playground.writing import Side
    from qrtui.spec import Perturbation


@click.command("try")
@click.option("--task", "task_id", help="A task's id, such as Demo/7 or HumanEval/53.")
@click.option("--text", help="A prompt; its assert lines are its tests. With --task: put in place of the task's own.")
@click.option("--model", default="smollm2-135m", show_default=True, help="A name from `qrtui models`, id, or folder.")
@click.option("--baseline", default="fp32", show_default=True, help="The original's precision.")
@click.option("--precision", default="int8", show_default=True, help="The quantized model's precision.")
@click.option("--attack", help="The attack, such as char.")
@click.option("--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the attack.")
@click.option("--noise", help="Noise on the weights, such as 'gaussian 0.003 published'.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--prompt", "style", type=click.Choice(["auto", "completion", "chat"]), default="auto", show_default=True)
@click.option("--keep", "keeping", is_flag=True, help="Keep the case as a run called playground.")
@options.database
@options.consent
@options.json_flag
@click.pass_context
def try_(context: click.Context, /, database: Path | None, as_json: bool, **chosen: Any) -> None:
    """Put one prompt to the original and to the quantized model, and judge what they write.

    A completion that the database has is shown instead of made again. Exit status 0 finished, 130 stopped, 1 error.
    """
    from qrtui.plain import stopping_on_signals
    from qrtui.playground.playing import Playground

    keeping, allow_unsafe = chosen.pop("keeping"), chosen.pop("allow_unsafe_judge")
    turn = _turn(context, **chosen)
    database = database or context.obj or paths.database()
    teller = _Teller(turn, sys.stderr if as_json else sys.stdout, streaming=not as_json)
    playground = Playground(database, teller, allow_unsafe_judge=allow_unsafe)
    try:
        with stopping_on_signals() as control:
            ended = playground.play(1, turn, control, together=False)
    finally:
        playground.release()
    if ended.status == "failed":
        click.echo(f"qrtui: {ended.reason}", err=True)
        context.exit(1)
    if ended.status == "stopped":
        click.echo("stopped", err=True)
    run = _keep(turn, database) if keeping and ended.status == "finished" else None
    if as_json:
        from qrtui.playground.writing import turn_json

        options.print_json({**turn_json(turn, teller.prompt, teller.sides()), "run": run})
    elif run is not None:
        click.echo(f"kept as run {run}: qrtui compare {run} {turn.task.task_id}")
    context.exit(0 if ended.status == "finished" else 130)


def _keep(turn: Turn, database: Path) -> int:
    from qrtui.playground.keeping import keep

    with options.open_store(database) as store:
        return keep(store, turn)


def _turn(
    context: click.Context,
    *,
    task_id: str | None,
    text: str | None,
    model: str,
    baseline: str,
    precision: str,
    attack: str | None,
    parameters: tuple[str, ...],
    noise: str | None,
    seed: int,
    max_new_tokens: int,
    style: Any,
) -> Turn:
    from qrtui.generate.settings import Generation
    from qrtui.playground.own_task import task_of
    from qrtui.playground.turn import Turn
    from qrtui.spec import ModelChoice
    from qrtui.tasks.datasets import find_task

    if task_id is None and not (text or "").strip():
        raise click.UsageError("give --task ID or --text T", context)
    picked = find_task(task_id) if task_id is not None else None
    prompt = text if text is not None else picked.prompt if picked else ""
    for name in (baseline, precision):
        _check_precision(name)
    return Turn(
        model=ModelChoice(id=model),
        baseline=baseline,
        quantized=precision,
        prompt=prompt,
        task=picked or task_of(prompt, None),
        perturbation=_perturbation(context, attack, parameters, noise, seed),
        seed=seed,
        generation=Generation(max_new_tokens=max_new_tokens, prompt=style),
    )


def _check_precision(name: str) -> None:
    from qrtui.errors import PresetError, nearest
    from qrtui.models.precisions import PRECISIONS

    if name not in PRECISIONS:
        allowed = f"allowed are {', '.join(PRECISIONS)}"
        raise PresetError(
            f"there is no precision {name!r}", " ".join(filter(None, [nearest(name, PRECISIONS), allowed]))
        )


def _perturbation(
    context: click.Context, attack: str | None, parameters: tuple[str, ...], noise: str | None, seed: int
) -> Perturbation:
    from qrtui.errors import PresetError
    from qrtui.presets import attack_of
    from qrtui.spec import CLEAN, Perturbation

    if attack is not None and noise is not None:
        raise click.UsageError("give one of --attack and --noise", context)
    if attack is not None:
        try:
            return Perturbation(attack=attack_of(attack, parameters))
        except PresetError as error:
            raise PresetError(error.problem.replace("--kind: attack.kind", "--attack"), error.way_out) from None
    if parameters:
        raise click.UsageError("--set needs --attack", context)
    return Perturbation(noise=_noise(noise, seed)) if noise is not None else CLEAN


def _noise(text: str, seed: int) -> Any:
    """`gaussian 0.003 published`; the protocol may be left out."""
    import msgspec

    from qrtui.errors import PresetError
    from qrtui.perturb.noise import Noise

    kind, level, protocol, *more = [*text.split(), "", "", ""][:4]
    try:
        if more != [""]:
            raise ValueError
        fields = {"kind": kind, "level": float(level), "protocol": protocol or "published", "seed": seed}
        return msgspec.convert(fields, Noise)
    except (ValueError, msgspec.ValidationError):
        raise PresetError(f"there is no noise {text!r}", "write for example 'gaussian 0.003 published'") from None


class _Teller:
    """Writes a turn as it happens: stages on standard error, each side's text as it comes, then its verdict."""

    def __init__(self, turn: Turn, out: TextIO, *, streaming: bool) -> None:
        from qrtui.events import Written

        self._turn, self._out, self._streaming = turn, out, streaming
        self._written = [Written(), Written()]
        self._verdicts: list[Verdict | None] = [None, None]
        self._shown = [0, 0]
        self._titled = [False, False]
        self.prompt = turn.prompt

    def sides(self) -> list[Side]:
        """What both wrote."""
        from qrtui.playground.writing import Side

        parts = zip(self._turn.precisions, self._written, self._verdicts, strict=True)
        return [Side(*one) for one in parts]

    def __call__(self, event: Event) -> None:
        """Tell of one event."""
        from qrtui.events import SideJudged, Streamed, TurnEnded, TurnStage, TurnStarted

        match event:
            case TurnStage(_, text):
                click.echo(text, err=True)
            case TurnStarted(_, prompt, _):
                self.prompt = prompt
                self._say(f"prompt ({perturbation_name(self._turn.perturbation.label)}):\n{prompt.rstrip()}\n")
            case Streamed(_, original, quantized):
                self._written = [original, quantized]
                self._stream()
            case SideJudged(_, is_original, verdict):
                self._verdicts[0 if is_original else 1] = verdict
            case TurnEnded(_, "finished", _):
                self._sum_up()

    def _stream(self) -> None:
        for at, written in enumerate(self._written):
            new = written.text[self._shown[at] :]
            if (new or written.finish) and not self._titled[at]:
                self._titled[at] = True
                self._say(f"\n{self._name(at)}:")
            if new:
                self._shown[at] = len(written.text)
                self._say(new, newline=False)

    def _sum_up(self) -> None:
        from qrtui.playground.writing import side_lines

        self._say("\n")
        for at, side in enumerate(self.sides()):
            self._say("\n".join([f"{self._name(at)}:", *(f"  {line}" for line in side_lines(side, self._turn))]))

    def _name(self, at: int) -> str:
        return f"{self._turn.model.id} {self._turn.precisions[at]} ({'quantized' if at else 'original'})"

    def _say(self, text: str, *, newline: bool = True) -> None:
        from qrtui.printable import printable

        if self._streaming:
            self._out.write(printable(text) + ("\n" if newline else ""))
            self._out.flush()
