"""Pages of a customer: the first page with usage."""
