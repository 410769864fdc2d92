"""S2: perturbations of prompts (attacks) and of weights (noise)."""
