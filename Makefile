# The commands of this project.  Everything that they need is set up first; a second run sets up nothing.
#
#   make demo      make test      make PYTHON=python3.12 test

PYTHON ?= python3
ROUNDS ?= 30
BIN := .venv/bin

# Of the builds of this version that the machine has, the set-up takes the quickest; who names one gets that one.
SETUP := $(PYTHON) -m tools.setup $(if $(filter file,$(origin PYTHON)),--quickest)

.DEFAULT_GOAL := help
.PHONY: help python setup setup-check setup-run setup-demo setup-test setup-bench-sign setup-judge demo serve test check sabotage corpus fuzz bench bench-soak bench-fairness profile bench-growth bench-sign bench-envelope judge-dss simulate chaos lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed as $(PYTHON): install it, or name yours with make PYTHON=... |" \
	       "Cần Python 3.11 trở lên với tên $(PYTHON): hãy cài đặt, hoặc chỉ ra bằng make PYTHON=..." >&2; exit 1; }

setup-check: python
	@$(SETUP) check

setup-run: python
	@$(SETUP) run

setup-demo: python
	@$(SETUP) demo

setup-test: python
	@$(SETUP) test

setup-bench-sign: python
	@$(SETUP) bench-sign

setup-judge: python
	@$(SETUP) judge

setup: setup-test ## set up everything that any command needs (the others do it by themselves)

demo: setup-demo ## a day at a provincial data centre: documents sealed, delivered, answered, refused
	@$(BIN)/python -m demo

serve: setup-run ## bring the gateway up with a broker of its own and leave it running
	@$(BIN)/vanthu serve

# A file's tests stay together, files come in their order.  Each process has a broker and a database server of its own.
test: setup-test ## run all tests, two files at once (JOBS=1: one by one)
	@$(BIN)/python -m pytest --numprocesses $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder

check: setup-check ## formatting, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

sabotage: setup-test ## break each promise in a copy and demand that its test notices (ONLY="chain replay" JOBS=4 ARGS=--table)
	@$(BIN)/python -m tools.sabotage $(if $(ONLY),--only $(ONLY)) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

fuzz: setup-check ## hostile bytes for the readers of PDF, CMS, certificates, edXML and its JSON (SECONDS=600 TARGET=pdf SEED=1 PLANT=hang)
	@$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TARGET),--target $(TARGET)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT)) $(ARGS)

SEEDS ?= 10000
FIRST_SEED ?= 0

simulate: setup-test ## live through many seeds of deaths and faults in virtual time (SEEDS=10000 FIRST_SEED=0 ARGS="--seed 4711" or --self-check)
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation --seeds $(SEEDS) --first-seed $(FIRST_SEED) $(ARGS)

DOCUMENTS ?= 3000
STORE ?= both

chaos: setup-test ## kill, stop, cut and fill everything while documents pass, then audit (DOCUMENTS=3000 SEED=7 STORE=sqlite ONLY="disk full" ARGS="--often 3")
	@$(BIN)/python -m tests.chaos --documents $(DOCUMENTS) --store $(STORE) $(if $(SEED),--seed $(SEED)) \
	  $(if $(ONLY),--only "$(ONLY)") $(if $(SCALE),--scale $(SCALE)) $(ARGS)

CORPUS ?= ../shared/corpus

corpus: setup-test ## judge a folder of PDFs as its manifest demands (make corpus CORPUS=../shared/corpus)
	@$(BIN)/python -m tools.corpus "$(CORPUS)"

PARTS ?= exchange fanout latency memory growth

bench: setup-test ## measure the running gateway; writes var/bench/exchange.json (PARTS="exchange fanout latency memory growth soak" SECONDS=10 ROUNDS=3)
	@$(BIN)/python -m benchmarks.exchange --parts $(PARTS) $(if $(filter command environment,$(origin SECONDS)),--seconds $(SECONDS)) \
	  $(if $(filter command environment,$(origin ROUNDS)),--rounds $(ROUNDS)) $(ARGS)

bench-soak: PARTS := soak
bench-soak: bench ## a quarter of an hour under pressure: rate and memory at its end against its beginning

bench-fairness: setup-test ## latency beside one greedy, dead or slow agency, against alone (half an hour); writes var/bench/fairness.json (SECONDS=20 ONLY="queue slow" ARGS=--page)
	@$(BIN)/python -m benchmarks.fairness $(if $(filter command environment,$(origin SECONDS)),--seconds $(SECONDS)) \
	  $(if $(ONLY),--only $(ONLY)) $(ARGS)

profile: setup-demo ## where a worker's CPU goes while documents pass: by step, module and function (ARGS="--kind signed|fanout --store postgresql --seconds 20")
	@$(BIN)/python -m benchmarks.profile $(ARGS)

bench-growth: setup-test ## what each question to the store costs beside a million documents (ARGS="--documents 100000 --postgresql URL")
	@$(BIN)/python -m benchmarks.growth $(ARGS)

bench-sign: setup-bench-sign ## measure sealing and judging beside other libraries; writes docs/benchmarks.md (ROUNDS=30)
	@$(BIN)/python -m benchmarks.sign --rounds $(ROUNDS)
	@$(BIN)/python -m benchmarks.sign.page

bench-envelope: setup-check ## measure envelopes and evidence beside bare limits and stock DOMs; writes docs/benchmarks-envelope.md (ROUNDS=30)
	@$(BIN)/python -m benchmarks.envelope --rounds $(ROUNDS)

judge-dss: setup-judge ## have our seals judged by EU DSS, pdfsig, mutool and openssl; writes docs/judged-by-dss.md
	@$(BIN)/python -m tests.judges

lock: python ## lock the dependencies anew (make lock ARGS=--upgrade for newer ones)
	@$(SETUP) lock $(ARGS)

clean: python ## remove the virtual environment, var/ and all caches
	@$(SETUP) clean
