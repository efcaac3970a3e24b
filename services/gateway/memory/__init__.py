"""What the gateway knows, per topic. It knows neither Kafka nor sockets; the clock is given."""
