//! The binary.

/// A line costs some sixty small allocations, many of them freed by another thread than made them, which is where the C
/// library's allocator is slow (docs/speed.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    engawa::cli::main()
}
