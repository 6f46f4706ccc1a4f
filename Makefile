# Two commands matter: `make demo` and `make test`. Both install what they need. `make demo-alpha`
# needs no virtualization and, once its kernels are built, no root.
#
# PYTHON   the Python to make the environment from, 3.11 or later

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: all demo demo-alpha test bench bench-alpha lab alpha clean

all: $(READY)

demo: $(READY)
	$(VENV)/bin/python -m septum.lab demo

demo-alpha: $(READY)
	$(VENV)/bin/python -m septum.lab demo-alpha

test: $(READY)
	$(VENV)/bin/python -m septum.lab packages
	$(VENV)/bin/python -m pytest

bench: $(READY)
	$(VENV)/bin/python -m septum.lab bench

bench-alpha: $(READY)
	$(VENV)/bin/python -m septum.lab bench-alpha

alpha: $(READY)
	$(VENV)/bin/python -m septum.lab alpha

lab: $(READY)
	$(VENV)/bin/python -m septum.lab build

$(READY): pyproject.toml scripts/prepare
	@scripts/prepare $(PYTHON) $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
