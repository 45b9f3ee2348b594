"""Who is trained on, validated and tested: protocols, saved and ready splits."""
