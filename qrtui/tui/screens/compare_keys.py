"""The keys of the Compare room; a person may give any of them another key by its id."""

from __future__ import annotations

from textual.binding import Binding, BindingType


def _binding(id: str, key: str, action: str, name: str, tooltip: str = "", *, show: bool = False) -> Binding:
    shown_as = "/" if key == "slash" else None
    return Binding(key, action, name, tooltip=tooltip, show=show, key_display=shown_as, id=f"compare.{id}")


KEYS: list[BindingType] = [
    _binding("next", "n", "divergence(1)", "Next", "go to the next task where the two diverge", show=True),
    _binding("previous", "p", "divergence(-1)", "Prev", "go to the previous task where the two diverge", show=True),
    _binding("perturbation", "a", "perturbation(1)", "Perturb", "show the next perturbation", show=True),
    _binding("perturbation-before", "A", "perturbation(-1)", "Perturbation before", "show the perturbation before"),
    _binding("precision", "b", "precision(1)", "Bits", "compare the next quantized precision", show=True),
    _binding("precision-before", "B", "precision(-1)", "Precision before", "compare the quantized precision before"),
    _binding("model", "m", "model(1)", "Model", "show the next model of the run"),
    _binding("model-before", "M", "model(-1)", "Model before", "show the model before"),
    _binding("four", "w", "four", "2×2", show=True),
    _binding("filter", "f", "filter(1)", "Filter", "list by the next filter", show=True),
    _binding("filter-before", "F", "filter(-1)", "Filter before", "list by the filter before"),
    _binding("find", "slash", "search", "Find", show=True),
    _binding("copy", "y", "copy", "Copy", show=True),
    _binding("save", "e", "export_text", "Save", show=True),
    _binding("save-picture", "E", "export_picture", "Save a picture"),
    _binding("sample", "s", "sample(1)", "Sample", "show the next sample, where several were drawn"),
    _binding("sample-before", "S", "sample(-1)", "Sample before", "show the sample before"),
    _binding("raw", "t", "raw", "Raw text"),
    _binding("fold", "o", "fold", "Fold long lines"),
    _binding("zoom", "z", "zoom", "Zoom"),
    _binding("down", "d", "scroll(1)", "Programs down", "scroll the programs down"),
    _binding("up", "u", "scroll(-1)", "Programs up", "scroll the programs up"),
    _binding("left", "h", "sideways(-1)", "Programs left", "scroll unfolded programs to the left"),
    _binding("right", "l", "sideways(1)", "Programs right", "scroll unfolded programs to the right"),
    _binding("back", "escape", "back", "Back to the tasks"),
]
