"""What the pipeline needs of an exchange: the port, its values, and its errors by what the caller has to do."""
