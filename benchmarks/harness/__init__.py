"""What `benchmarks/explainers.py` is made of: networks, clock, ours, peers, goals, table."""
