"""Official scoring rules, grouped by what they compare. Pure functions of a prediction and a gold answer."""
