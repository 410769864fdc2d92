"""Prompts: `attack`."""

from __future__ import annotations

import click

from qrtui.commands import options


@click.command()
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
@options.json_flag
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
        options.print_json(
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
