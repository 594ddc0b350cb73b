"""What the gateway costs, and what it carries."""
