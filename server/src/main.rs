//! The binary.

/// A line costs many small allocations, some of them freed by another thread than made them, which is where the C
/// library's allocator is slow (docs/speed.md). Without huge pages: with them an idle socket costs a third more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    engawa::cli::main()
}
