"""The exchanges' REST interfaces, without sockets: a path and a query in, an answer out."""
