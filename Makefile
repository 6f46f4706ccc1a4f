# Two commands matter: `make demo` and `make test`. Both install what they need.
#
# PYTHON   the Python to make the environment from, 3.11 or later

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: all demo test bench lab clean

all: $(READY)

demo: $(READY)
	$(VENV)/bin/python -m septum.lab demo

test: $(READY)
	$(VENV)/bin/python -m septum.lab packages
	$(VENV)/bin/python -m pytest

bench: $(READY)
	$(VENV)/bin/python -m septum.lab bench

lab: $(READY)
	$(VENV)/bin/python -m septum.lab build

$(READY): pyproject.toml scripts/prepare
	@scripts/prepare $(PYTHON) $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
