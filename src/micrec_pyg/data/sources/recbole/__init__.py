"""RecBole's atomic files, in and out."""
