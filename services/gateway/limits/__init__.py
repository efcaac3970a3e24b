"""How much one client may ask for, and from which sites."""
