"""The pipeline around the desk: plain classes over ports. Feeds and drivers are elsewhere."""
