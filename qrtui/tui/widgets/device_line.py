"""How busy the device is and how full its memory, in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.widgets import Static

from qrtui.tui.wording import in_bytes

if TYPE_CHECKING:
    from qrtui.models.device_load import DeviceLoad


class DeviceLine(Static):
    """`cpu 97 %  memory 4.1 of 25 GB`, and so on for every GPU."""

    def show(self, loads: Sequence[DeviceLoad]) -> None:
        """Show other loads."""
        self.update("   ".join(map(load_in_words, loads)))


def load_in_words(load: DeviceLoad) -> str:
    """One device: its name, how busy it is, and its memory."""
    used, total = in_bytes(load.used), in_bytes(load.total)
    # The same unit need not be said twice.
    used = used.removesuffix(total[-3:])
    return f"{load.name} {load.busy:.0%}  memory {used} of {total}"
