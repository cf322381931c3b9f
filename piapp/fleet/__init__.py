"""Many nodes: `piapp fleet simulate` makes them up, `piapp fleet watch` lists those that are there."""
