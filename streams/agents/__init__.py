"""Faust shells around the pipeline: they take batches from streams, feed plain classes, and end the process when something is broken."""
