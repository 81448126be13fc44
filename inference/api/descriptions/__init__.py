"""What the published document says of each endpoint."""
