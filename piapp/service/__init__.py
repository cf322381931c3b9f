"""What makes the program an appliance: its identity, its health, and the machine that it runs on."""
