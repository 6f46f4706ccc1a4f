"""What do people see and type?"""
