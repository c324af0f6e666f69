"""What runs beside the trading: policy and phases, and what people and monitors look at.

Decides nothing about orders: what decides is published on `control`, recorded on the tape and applied by the desk. Every service
gets its ports, its clock and its environment as arguments.
"""
