"""What a model's own template and tokenizer make of prompts, tried in a process of its own that has limits."""
