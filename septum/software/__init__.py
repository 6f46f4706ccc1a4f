"""How does a computer that is software run, with all its instances, in one process?"""
