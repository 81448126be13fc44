"""Pages of a customer: sign in, keys."""
