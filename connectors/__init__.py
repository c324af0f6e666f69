"""What speaks to the world outside: brokers, exchanges, databases. Imports streams.desk at most, and decides nothing about orders."""
