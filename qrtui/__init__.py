"""qrtui: what quantization does to the robustness of code models, seen in a terminal."""

__version__ = "0.1.0"
