"""How does Septum run where there is no machine to divide? On a computer made by QEMU."""
