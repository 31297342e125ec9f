//! Reads the command line, runs the command, and tells how it ended.

use std::io::Write;
use std::process::ExitCode;

use target_upsert::commands;

// Many small allocations of unlike life: resident memory stays flat with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match commands::run(&arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            let mut text = format!("error: {error}\n");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(&format!("  caused by: {error}\n"));
                cause = error.source();
            }
            if let Some(hint) = error.hint_text() {
                text.push_str(&format!("hint: {hint}\n"));
            }
            // Where stderr is gone, the exit code is all that is left to tell.
            drop(std::io::stderr().write_all(text.as_bytes()));
            error.exit.into()
        }
    }
}
