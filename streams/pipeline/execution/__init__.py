"""Execution: what may be sent to an exchange, and what is known of what was sent."""
