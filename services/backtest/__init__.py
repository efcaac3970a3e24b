"""What a rule would have done on captures, with nothing known before its time."""
