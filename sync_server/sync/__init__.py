"""What devices send up and fetch down (DESIGN §5)."""
