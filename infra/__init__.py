"""What the pipeline runs on, as data: phases, Kafka with its topics, containers. Holds no logic."""
