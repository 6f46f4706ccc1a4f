"""Where does the memory of an instance lie?"""
