"""REST, websocket and page over what is in memory; any replica answers anything."""
