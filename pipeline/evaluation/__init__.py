"""Evaluation: public benchmarks and trials on one's own archive, over the same replicas and decoding as runs."""
