"""Kafka's own part of a deployment: the jars of the local broker (pom.xml) and the topics."""
