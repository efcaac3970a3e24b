"""How the gateway reads Kafka: beside everyone else, without a group and without commits."""
