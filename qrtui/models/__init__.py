"""S1, quantization: which models there are, where weights come from, how each precision loads them."""
