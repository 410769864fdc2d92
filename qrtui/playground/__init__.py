"""The Playground's engine: one prompt put to the original and to the quantized model at once."""
