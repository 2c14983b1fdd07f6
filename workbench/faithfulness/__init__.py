"""Map against network: does the network's score follow what a map says matters?"""
