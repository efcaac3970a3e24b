"""What every Faust agent is made of: app, tables, steps, positions, health."""
