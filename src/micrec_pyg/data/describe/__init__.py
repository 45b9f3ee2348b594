"""A catalogue in numbers, pictures and a card."""
