"""The generated market: prices, signals, an exchange and the world that runs them against the desk, by a seed alone."""
