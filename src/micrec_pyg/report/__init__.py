"""Result files of finished runs -> tables; knows no model and no graph."""
