"""What runs on the alpha platform's computer, and how is it shown and measured?"""
