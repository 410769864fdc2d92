"""`python -m qrtui`."""

from qrtui.cli import main

main()
