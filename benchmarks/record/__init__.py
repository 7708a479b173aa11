"""The benchmark of record: this package, bare loops and other SDKs side by side. See `benchmarks.record.__main__`."""
