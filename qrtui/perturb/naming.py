"""What perturbations and noise levels are called wherever people read them.

Programs know a perturbation by its label (`Attack.label`, `Noise.label`): the store, JSON and CSV keep that.
"""

from __future__ import annotations


def perturbation_name(label: str) -> str:
    """A perturbation as tables, charts, files for people and screens call it.

    >>> perturbation_name("sentence engine=apertium"), perturbation_name("char max_changes=9")
    ('sentence apertium', 'char max_changes=9')
    """
    return label.replace(" engine=", " ")


def level_name(level: float) -> str:
    """A noise level as short as it can be written.

    >>> level_name(0.003), level_name(1e-4), level_name(0.0025), level_name(0)
    ('3e-3', '1e-4', '2.5e-3', '0')
    """
    digits, _, exponent = f"{level:e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}" if level else "0"
