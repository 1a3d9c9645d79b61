"""Small faults to plant in the project, one at a time, and whether its tests notice."""
