"""What benchmarks share that set qrtui beside the published way."""
