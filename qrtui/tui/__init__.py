"""The terminal app. Textual lives here and nowhere else."""
