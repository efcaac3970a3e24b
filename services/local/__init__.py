"""The local stack: Kafka, the topics and every process of Cointide on one machine.

`supervisor` puts it together; `processes` keeps one process alive; `guardian` sees to it that
nothing is left behind when the supervisor itself is killed; `state` is what other commands read.
"""
