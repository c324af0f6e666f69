"""Benchmarks on real Kafka: our workers beside their peers, in turn, on the same broker."""
