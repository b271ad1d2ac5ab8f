"""Speech to text: what a transcriber is, which there are, and what of their words is to be believed."""
