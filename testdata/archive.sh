#!/usr/bin/env bash
# Builds the golden archive anew; CI compares it with the one that is checked in,
# so that the format cannot change unnoticed.
set -euo pipefail
cd "$(dirname "$0")/.."
go vet ./testdata/archive/make
rm -rf testdata/archive/golden
go run ./testdata/archive/make testdata/archive/golden
