"""Kafka: settings, producers, readers, the batched Faust transport, brokers for this machine."""
