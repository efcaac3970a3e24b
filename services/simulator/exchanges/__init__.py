"""The exchanges' protocols, without sockets: requests and market events in, frames out."""
