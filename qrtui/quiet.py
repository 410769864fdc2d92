"""Keeps the libraries' talk off the screen and in the log."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from qrtui.discreet import discreet

LIBRARY_LOGGERS = (
    "transformers",
    "ContinuousBatchingLogger",  # transformers' too, with a handler of its own
    "huggingface_hub",
    "bitsandbytes",
    "accelerate",
    "torch",
    "py.warnings",
)

# The libraries read these once, when they are imported.
_ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}


# Advice that a person must not follow: bitsandbytes' optional kernels are fetched at run time, and round differently.
_LEFT_OUT = ("Failed to load CPU gemm_4bit_forward",)


class LibraryRelay(logging.Handler):
    """Hands a library's records to `qrtui.libraries` at INFO, each kind of message once.

    Repeats are dropped because bitsandbytes says the same thing at every matrix product, and what `_LEFT_OUT` names
    because it asks for something that no run needs.
    """

    _MOST_KEPT = 1_000

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[tuple[str, str]] = set()
        self._log = logging.getLogger("qrtui.libraries")

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the record on, unless it is to be left out or one with the same unformatted text went before."""
        text = (record.name, str(record.msg))
        if text in self._said or len(self._said) >= self._MOST_KEPT or text[1].startswith(_LEFT_OUT):
            return
        self._said.add(text)
        self._log.info("%s: %s", record.name, discreet(record.getMessage()))


_relay = LibraryRelay()


def quiet_libraries() -> None:
    """Send what transformers, bitsandbytes and the hub say to the logger `qrtui.libraries`; print none of it.

    Turns their progress bars off too. May be called any number of times, before or after they are imported.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.captureWarnings(True)
    # Where no handler is set up Python prints warnings itself as a last resort; this one keeps it from that.
    logging.getLogger("qrtui").addHandler(_silent)
    for name in LIBRARY_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [_relay]
        logger.propagate = False
        # A library imported later would add a handler that is bound to the real stderr.
        setattr(logger, "addHandler", _ignore)  # noqa: B010  (a plain assignment is not typed)
    _turn_off_progress_bars()


_silent = logging.NullHandler()


def _ignore(handler: logging.Handler) -> None:
    """Take the place of `Logger.addHandler` on a library's logger."""


def _turn_off_progress_bars() -> None:
    if "transformers" in sys.modules:
        from transformers.utils import logging as chatter

        chatter.disable_progress_bar()
    if "huggingface_hub" in sys.modules:
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
