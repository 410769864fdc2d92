"""The benchmarks: what a task is, where each data set comes from."""
