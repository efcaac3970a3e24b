"""Cointide's vocabulary and mathematics: no Kafka, no sockets, no clock, no asyncio in here."""
