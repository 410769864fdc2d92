"""From prompts to completions: how a prompt is put to a model, where a completion ends, batching and stopping."""
