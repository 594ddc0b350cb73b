"""What our speed is compared with: the official packages, each in a process of its own."""
