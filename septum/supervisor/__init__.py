"""Who keeps the partition table, starts instances and tidies after them?"""
