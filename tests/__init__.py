"""Do the decisions and the actions hold? The tree mirrors septum/."""
