"""The tests, and the real components that tests, benchmarks and the demo start."""
