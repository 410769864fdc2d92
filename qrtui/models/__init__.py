"""S1, quantization: which models there are, where their weights come from, and how each precision loads them."""
