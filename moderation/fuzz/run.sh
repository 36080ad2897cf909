#!/bin/sh
# Builds and runs the target without cargo-fuzz: coverage, no address sanitizer (the crate has no unsafe code).
set -eu
cd "$(dirname "$0")"
seconds="${1:-600}"
host="$(rustc -vV | sed -n 's/^host: //p')"
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on"
cargo build --release --target "$host"
mkdir -p corpus/assess
"target/$host/release/assess" -max_total_time="$seconds" -max_len=2048 -timeout=5 corpus/assess
