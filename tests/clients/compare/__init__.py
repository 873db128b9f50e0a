"""compare-kafka: the same raw questions to two brokers, and what differs in their answers."""
