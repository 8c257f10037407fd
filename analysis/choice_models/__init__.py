"""Models of choice that learn from reward, fitted to choices, and how well a fit recovers them."""
