"""What Nightshift costs beside the libraries it stands on; `python -m benchmarks` measures it."""
