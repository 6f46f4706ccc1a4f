"""What does the process of one instance do? boot.py tells the story."""
