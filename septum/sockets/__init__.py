"""Who asks a running instance, and who sees its serial port? Its console and its link."""
