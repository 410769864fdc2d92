"""Playground: one prompt, clean or attacked, put to the original and to the quantized model at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static, TextArea

from qrtui.counting import counted
from qrtui.errors import QrtuiError
from qrtui.tui.play_choice import PlayChoice, first_choice
from qrtui.tui.play_taken import as_markdown, kept, prepared
from qrtui.tui.play_wording import NO_PROMPT, RUN_UNDER_WAY, state_in_words
from qrtui.tui.reader import Reader
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.screens.prompt_picker import Picked, PromptPicker
from qrtui.tui.widgets.play_choices import PlayChoices
from qrtui.tui.widgets.play_prompts import PlayPrompts
from qrtui.tui.widgets.play_sides import PlaySides

if TYPE_CHECKING:
    from qrtui.perturb.attack import AttackedPrompt
    from qrtui.playground.turn import Turn

_TYPING_PAUSE = 0.25
_WARM_BYTES = 3e9


class PlaygroundScreen(FramedScreen):
    """Prompt above, both sides below; one turn after the other."""

    ROOM = "playground"
    CSS_PATH = "playground.tcss"
    BINDINGS = [
        Binding("s", "start", "Start"),
        Binding("ctrl+r", "start", "Start", show=False, priority=True),
        Binding("x", "stop", "Stop"),
        Binding("t", "pick", "Task"),
        Binding("e", "edit", "Edit"),
        Binding("a", "attack(1)", "Attack", tooltip="take the next attack"),
        Binding("A", "attack(-1)", "Attack before", show=False, tooltip="take the attack before"),
        Binding("r", "reroll", "Reroll"),
        Binding("c", "toggle", "Clean"),
        Binding("w", "keep", "Keep"),
        Binding("y", "copy", "Copy"),
        Binding("n", "task(1)", "Next task", show=False, tooltip="take the next task of the data set"),
        Binding("p", "task(-1)", "Task before", show=False, tooltip="take the task before"),
        Binding("b", "precision", "Precision", show=False),
        Binding("z", "zoom", "Zoom", show=False),
        Binding("escape", "leave", "Leave the prompt", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._choice: PlayChoice = PlayChoice()
        self._changed: AttackedPrompt | None = None
        self._drawn: tuple[Any, ...] = ()
        self._pauses: dict[str, Any] = {}

    def body(self) -> ComposeResult:
        """Prompts, choices, both sides, and a line that says what is going on."""
        yield PlayPrompts("play-prompts")
        yield PlayChoices("play-choices")
        yield PlaySides(id="play-sides")
        yield Static(id="play-state", markup=False)

    @property
    def _prompts(self) -> PlayPrompts:
        return self.query_one(PlayPrompts)

    def on_mount(self) -> None:
        """Fill in what the app was opened with, once the frame is painted."""
        # Setup's plans can keep the planner busy for seconds; a reroll must be seen at once.
        self._reader = Reader(self.app.database, "playground")
        self.call_after_refresh(self._fill)

    def on_screen_resume(self) -> None:
        """Somebody is here: load the models while a prompt is being chosen."""
        if self._choice.models:
            self._warm()

    def _fill(self) -> None:
        self._choice = first_choice(self.app.state.experiment or self.app.given)
        self.query_one(PlayChoices).fill(self._choice)
        self._prompts.put(self._choice.prompt)
        self.query_one(PlaySides).take_keys()
        self._choice_changed(warm=True)

    # What is chosen

    @property
    def turn(self) -> Turn | None:
        """The turn that the choice makes; None without a prompt."""
        return self._choice.turn()

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._choice.prompt = self._prompts.text
        self._later("preview", self._choice_changed)

    @on(PlayChoices.Changed)
    def _chosen(self, event: PlayChoices.Changed) -> None:
        self._choice_changed(warm=event.loads)

    def _choice_changed(self, warm: bool = False) -> None:
        self._preview()
        self._show_choice()
        if warm:
            self._later("warm", self._warm)

    def _later(self, what: str, action: Any) -> None:
        """Do it when nothing has changed for a moment."""
        if what in self._pauses:
            self._pauses[what].stop()
        self._pauses[what] = self.set_timer(_TYPING_PAUSE, action)

    def _warm(self) -> None:
        turn, play = self.turn, self.app.play
        if turn is None or self.app.engine.busy or play.under_way or self.app.screen is not self:
            return
        needed = self._choice.memory()
        if needed is not None and needed <= _WARM_BYTES and set(self._choice.needed()) != set(play.held):
            self.app.engine.warm(turn)

    @work(exclusive=True, group="preview")
    async def _preview(self) -> None:
        """Attack the prompt beside the screen; show at once what is known of this very turn."""
        turn = self.turn
        if turn is None:
            self._changed = None
            self._show_prompt()
            return
        try:
            changed, known = await self._reader.ask(lambda store: prepared(store, turn))
        except QrtuiError as error:
            self._changed = None
            self._show_prompt(f"{error.problem}; {error.way_out}")
            return
        self._changed = changed
        self._show_prompt()
        play = self.app.play
        if known and turn != play.turn and not play.under_way and not self.app.engine.busy:
            self._play(turn)

    # What is shown

    def show_state(self) -> None:
        """The turn as far as it is."""
        play = self.app.play
        drawn = (play.version, self.app.engine.busy, self.turn, isinstance(self.focused, TextArea))
        if drawn != self._drawn:
            self._drawn = drawn
            self.query_one(PlaySides).show(play, self._choice)
            self._show_line()
            self.refresh_bindings()

    def _show_choice(self) -> None:
        self._prompts.show(self._choice)
        self.show_state()

    def _show_prompt(self, problem: str = "") -> None:
        """The prompt as the models get it, beside the one that can be edited."""
        self.set_class(self._choice.attack() is not None and self.turn is not None, "-attacked")
        self._prompts.show_attacked(self._choice, self._changed, problem)

    def _show_line(self) -> None:
        editing = isinstance(self.focused, TextArea)
        said = state_in_words(self.app.play, self.turn, engine_runs=self.app.engine.busy, editing=editing)
        self.query_one("#play-state", Static).update(said)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Start or stop, whichever means something now."""
        del parameters
        if action == "stop":
            return self.app.play.under_way
        return not (action == "start" and self.app.play.under_way)

    # Actions

    def action_start(self) -> None:
        """Put the prompt to both models."""
        turn = self.turn
        if turn is None:
            self.notify(NO_PROMPT, severity="warning")
        elif self.app.engine.busy:
            self.notify(RUN_UNDER_WAY, severity="warning")
        elif turn.baseline == turn.quantized:
            self.notify("Both sides have the same precision: b takes another one.", severity="warning")
        else:
            self._play(turn)

    def _play(self, turn: Turn) -> None:
        self.app.play.begin(self.app.engine.play(turn), turn)
        self.show_state()

    def action_stop(self) -> None:
        """Stop writing, within one token."""
        self.app.play.ask_to_stop()
        self.app.engine.stop_turn()
        self.show_state()

    @work
    async def action_pick(self) -> None:
        """Pick a task, or a prompt of your own."""
        picked: Picked = await self.app.push_screen_wait(PromptPicker(self._choice.dataset, self._choice.datasets))
        if picked == "own":
            self._take(None, "")
            self.action_edit()
        elif picked is not None:
            self._take(picked, picked.prompt)

    def _take(self, task: Any, prompt: str) -> None:
        self._choice.picked, self._choice.prompt = task, prompt
        if task is not None:
            self._choice.dataset = task.dataset
        self._prompts.put(prompt)
        self._choice_changed()

    def action_task(self, step: int) -> None:
        """Another task of the same data set."""
        task = self._choice.neighbour(step)
        if task is not None:
            self._take(task, task.prompt)

    def action_edit(self) -> None:
        """Type in the prompt; Escape leaves it."""
        self.add_class("-editing")
        self._prompts.edit()

    def action_leave(self) -> None:
        """Leave the prompt."""
        self.remove_class("-editing")
        self.query_one(PlaySides).take_keys()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _focus_moved(self) -> None:
        self.set_class(isinstance(self.focused, TextArea), "-editing")
        self.show_state()

    def action_attack(self, step: int) -> None:
        """Another attack."""
        self._choice.next_attack(step)
        self._perturbation_changed()

    def action_reroll(self) -> None:
        """Let the attack choose anew: the next seed."""
        self._choice.reroll()
        self._perturbation_changed()

    def action_toggle(self) -> None:
        """Switch between the clean and the attacked prompt."""
        self._choice.toggle()
        self._perturbation_changed()

    def _perturbation_changed(self) -> None:
        self.query_one(PlayChoices).show_perturbation()
        self._choice_changed()

    def action_precision(self) -> None:
        """Take the next precision for the quantized side."""
        self.query_one(PlayChoices).next_quantized()

    def action_zoom(self) -> None:
        """Give both sides the whole room, or take it back."""
        self.toggle_class("-zoom")

    @work(exclusive=True, group="keep")
    async def action_keep(self) -> None:
        """Keep the turn as a run, for Compare and History."""
        play, turn = self.app.play, self.app.play.turn
        if turn is None or play.phase != "finished":
            self.notify("There is nothing to keep yet: s starts, and both sides must end.", severity="warning")
            return
        if play.kept is not None:
            self.notify(f"It is kept already, as run {play.kept}.")
            return
        try:
            record = await self._reader.ask(lambda store: kept(store, turn))
        except QrtuiError as error:
            self.report(error)
            return
        play.keep(record.id)
        if not self.app.engine.busy:
            self.app.opened = record
        self.notify(f"Kept as run {record.id}: 3 opens it in Compare.")
        self.app.catch_up()

    def action_copy(self) -> None:
        """Copy the prompt and both completions as Markdown."""
        text = as_markdown(self.app.play)
        if not text:
            self.notify("There is nothing to copy yet: s starts.", severity="warning")
            return
        self.app.copy_to_clipboard(text)
        lines = counted(len(text.splitlines()), "line")
        self.notify(f"{lines} copied, if the terminal allows it; w keeps the case, and Compare saves it to a file.")
