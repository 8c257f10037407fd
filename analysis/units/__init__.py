"""What units code: selectivity, decoding, value to choice."""
