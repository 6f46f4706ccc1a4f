"""Who may interrupt whom?"""
