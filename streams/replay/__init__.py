"""Tapes: recorded, generated, looked into and replayed."""
