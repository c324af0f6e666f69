"""What the pipeline runs on, as data: phases, the Kafka of the tests, containers. Holds no logic."""
