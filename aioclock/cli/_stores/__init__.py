"""What the commands do with a store."""
