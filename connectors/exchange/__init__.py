"""Exchanges: through ccxt, and one of our own to try everything on."""
