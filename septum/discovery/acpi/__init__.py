"""What do firmware's tables say the instance has? Written from its view, never copied. [0033]"""
