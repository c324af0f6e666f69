"""What is on the wire: Avro schemas, the codec, registries, and the check that an old tape always replays."""
