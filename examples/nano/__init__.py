"""A Kimi-VL small enough to ship and to train on two cores: drawing, lessons, training, evaluation, export."""
