//! Reads the command line, runs the command, and tells how it ended.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use target_upsert::commands;
use target_upsert::text::printable_lines;

// Many small allocations of unlike life: resident memory stays flat with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match commands::run(&arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            // It may name what a tap or a remote has named.
            let plain = |text: &dyn Display| printable_lines(&text.to_string());
            let mut text = format!("error: {}\n", plain(&error));
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(&format!("  caused by: {}\n", plain(&error)));
                cause = error.source();
            }
            if let Some(hint) = error.hint_text() {
                text.push_str(&format!("hint: {}\n", plain(&hint)));
            }
            // Where stderr is gone, the exit code is all that is left to tell.
            drop(std::io::stderr().write_all(text.as_bytes()));
            error.exit.into()
        }
    }
}
