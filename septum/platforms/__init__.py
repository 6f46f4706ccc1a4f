"""Which kinds of computer are there, and what does each mean to commands and supervisor?"""
