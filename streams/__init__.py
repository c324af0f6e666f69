"""Quantum Trader Streams: from trading signals to exchange orders, decided by one pure function of a recorded tape.

What decides lives in streams.desk; everything else carries records to it and away from it. docs/ARCHITECTURE.md walks through.
"""
