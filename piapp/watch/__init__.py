"""`piapp watch`: what the nodes of a broker see, in a terminal."""
